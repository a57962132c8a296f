package conform

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// frame writes one server-sent event as a message of AWS's event stream:
// lengths, a checksum of them, headers, payload, a checksum of all.
func frame(event string) string {
	name, data := "", ""
	for line := range strings.Lines(event) {
		line = strings.TrimRight(line, "\n")
		if v, ok := strings.CutPrefix(line, "event: "); ok {
			name = v
		} else if v, ok := strings.CutPrefix(line, "data: "); ok {
			data = v
		}
	}
	var headers []byte
	for _, h := range [][2]string{{":event-type", name}, {":content-type", "application/json"}, {":message-type", "event"}} {
		headers = append(append(headers, byte(len(h[0]))), h[0]...)
		headers = append(headers, 7) // a string
		headers = append(binary.BigEndian.AppendUint16(headers, uint16(len(h[1]))), h[1]...)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(12+len(headers)+len(data)+4))
	out = binary.BigEndian.AppendUint32(out, uint32(len(headers)))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
	out = append(append(out, headers...), data...)
	return string(binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out)))
}
