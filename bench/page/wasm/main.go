//go:build js && wasm

// Command wasm is package load for a page, to be compared with what the page has: see ../compare.js.
package main

import (
	"context"
	"syscall/js"
	"unsafe"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx/wire"
)

func main() {
	var s *load.Session
	js.Global().Set("petrifyOpen", js.FuncOf(func(_ js.Value, a []js.Value) any {
		b := make([]byte, a[0].Length())
		js.CopyBytesToGo(b, a[0])
		m, err := wire.Parse("m.onnx", b, wire.Limits{})
		if err == nil {
			s, err = load.Open(m)
		}
		if err != nil {
			panic(err)
		}
		return nil
	}))
	js.Global().Set("petrifyRun", js.FuncOf(func(_ js.Value, a []js.Value) any {
		x := make([]float32, a[0].Length())
		u := js.Global().Get("Uint8Array").New(a[0].Get("buffer"))
		js.CopyBytesToGo(unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x)), u)
		y, _, err := s.Apply(context.Background(), x)
		if err != nil {
			panic(err)
		}
		out := js.Global().Get("Uint8Array").New(4 * len(y))
		js.CopyBytesToJS(out, unsafe.Slice((*byte)(unsafe.Pointer(&y[0])), 4*len(y)))
		return out
	}))
	select {}
}
