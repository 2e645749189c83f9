package web_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/web"
)

// A generator of pictures of two by two pixels becomes a page.
func ExamplePage() {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "four", Opset: 13, IR: 8})
	z := e.Input("z", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(4))
	e.Step("image", "image")
	shape := &onnx.Tensor{Dims: []int{4}, Data: onnx.Slice[int64]{0, 1, 2, 2}}
	image := e.Node("Reshape", "", []onnx.Value{z, e.Const("shape", shape)})
	e.Output(image, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Fixed(2), onnx.Fixed(2))
	m, err := e.Model()
	if err != nil {
		log.Fatal(err)
	}
	page, err := web.Page(web.Options{
		Name: "four", Title: "Four <pixels>", Noise: true,
		Generator: &onnx.Model{Proto: m},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(web.Marked(page), bytes.Contains(page, []byte("<h1>Four &lt;pixels&gt;</h1>")))
	// Output: true true
}
