package signalbox.units.schedule_test

import data.signalbox.units.schedule

denied(layer, time) := found if {
	found := schedule.deny with input as {"principal": {}, "time": time}
		with data.signalbox.access as {"default": layer}
}

at(weekday, hour) := {"weekday": weekday, "hour": hour, "day": 20000}

week := {"mon": true, "tue": true, "sat": false}

closed := {{"code": "out_of_hours"}}

test_always_without_rules if denied({}, at("sun", 3)) == set()

test_by_day if {
	layer := {"hours": {"days": week, "from": 8, "to": 18}}
	denied(layer, at("mon", 8)) == set()
	denied(layer, at("tue", 17)) == set()
	denied(layer, at("mon", 7)) == closed
	denied(layer, at("mon", 18)) == closed
	denied(layer, at("sat", 12)) == closed
	denied(layer, at("sun", 12)) == closed
}

test_over_midnight if {
	layer := {"hours": {"days": week, "from": 22, "to": 6}}
	denied(layer, at("mon", 22)) == set()
	denied(layer, at("mon", 5)) == set()
	denied(layer, at("mon", 6)) == closed
	denied(layer, at("mon", 21)) == closed
	denied(layer, at("sat", 23)) == closed
	denied(layer, at("sun", 23)) == closed
}

test_until if {
	layer := {"until": "2026-05-04"}
	denied(layer, {"day": 20577}) == set()
	denied(layer, {"day": 20578}) == {{"code": "access_expired", "v": "2026-05-04"}}
}
