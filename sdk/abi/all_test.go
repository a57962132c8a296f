package abi

import (
	"reflect"
	"testing"
)

// fill gives every field of a structure a value of its own; strings are the
// fields' names, appended to record.
func fill(v reflect.Value, n *uint64, record *[]byte) {
	for i := range v.NumField() {
		f := v.Field(i)
		*n++
		switch {
		case f.Type() == reflect.TypeFor[Str]():
			name := v.Type().Field(i).Name
			f.Set(reflect.ValueOf(Str{Off: uint32(len(*record)), Len: uint32(len(name))}))
			*record = append(*record, name...)
		case f.Kind() == reflect.Struct:
			fill(f, n, record)
		case f.CanFloat():
			f.SetFloat(float64(*n) + 0.5)
		case f.CanInt():
			f.SetInt(-int64(*n))
		default:
			f.SetUint(*n)
		}
	}
}

// TestGoldenOfAllFields pins a request in which every field says something,
// also what a host would not write.
func TestGoldenOfAllFields(t *testing.T) {
	const targets = 2
	record := make([]byte, RequestSize+targets*TargetSize)
	var n uint64
	var h Request
	fill(reflect.ValueOf(&h).Elem(), &n, &record)
	for i := range targets {
		var v Target
		fill(reflect.ValueOf(&v).Elem(), &n, &record)
		copy(record[RequestSize+i*TargetSize:], bytesOf(v))
	}
	h.Magic, h.Version, h.HeaderSize, h.Total = MagicRequest, Minor, uint16(RequestSize), uint32(len(record))
	h.Targets, h.TargetOff, h.TargetSize, h.Flags = targets, uint32(RequestSize), uint32(TargetSize), FlagStream|FlagAudio
	copy(record, bytesOf(h))
	golden(t, "request_all.sbr1", record)
}
