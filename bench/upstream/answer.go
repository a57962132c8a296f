package upstream

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"time"
)

// answer writes the answer to q. Its only errors are those of the connection.
func (s *Server) answer(c net.Conn, q *request) error {
	switch q.path {
	case "/bill":
		b, err := json.Marshal(s.Statement())
		if err != nil {
			return err
		}
		return write(c, whole(200, b))
	case "/release":
		s.Release()
		return write(c, whole(200, []byte("{}")))
	}
	if q.fault != "" {
		s.bills.fault(q.path + ": " + q.fault)
		return write(c, whole(401, []byte(`{"error":{"message":"`+q.fault+`","type":"invalid_request_error","param":null,"code":"bench_fault"}}`)))
	}
	sh := s.shapes.find(q)
	if sh == nil {
		s.bills.fault(fmt.Sprintf("%s: no answer is prepared for model %q", q.path, q.model))
		return write(c, whole(404, []byte(`{"error":{"message":"unknown model","type":"invalid_request_error","param":"model","code":"model_not_found"}}`)))
	}
	if sh.body != nil {
		s.bills.charge(q.account, sh.usage, true)
		return write(c, sh.body)
	}
	return s.play(c, sh, q)
}

// firstPause lets the first event go its way alone.
const firstPause = time.Millisecond

// play writes a stream, each event with a write of its own as services do.
func (s *Server) play(c net.Conn, sh *shape, q *request) error {
	reported := q.usage && sh.report != nil || sh.reports
	released := s.released()
	for i, ev := range sh.events {
		if i == 1 && sh.hold {
			<-released
		}
		switch {
		case i > 0 && sh.paced:
			time.Sleep(s.opt.Pace)
		case i == 1 && sh.pause:
			time.Sleep(firstPause)
		}
		if err := write(c, ev); err != nil {
			return err
		}
	}
	if q.usage && sh.report != nil {
		if err := write(c, sh.report); err != nil {
			return err
		}
	}
	s.bills.charge(q.account, sh.usage, reported)
	return write(c, sh.end)
}

func write(c net.Conn, b []byte) error {
	_, err := c.Write(b)
	return err
}

// whole is a complete JSON answer.
func whole(status int, body []byte) []byte {
	b := append([]byte("HTTP/1.1 "), strconv.Itoa(status)...)
	b = append(b, " OK\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}
