package card_test

import (
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/card"
)

// The first lines of a card are for model hubs.
func ExampleCard_Markdown() {
	c := card.Card{
		File: card.File{Name: "generator.onnx", Net: "generator"}, Architecture: "gan", Task: card.Generates,
		Licence: "CC-BY-4.0", Data: card.Data{Name: "mnist", Licence: "CC-BY-SA-3.0"},
	}
	lines := strings.Split(string(c.Markdown()), "\n")
	fmt.Println(strings.Join(lines[:12], "\n"))
	// Output:
	// ---
	// license: cc-by-4.0
	// library_name: onnx
	// pipeline_tag: unconditional-image-generation
	// tags:
	// - onnx
	// - petrify
	// - "gan"
	// - "trained on mnist"
	// ---
	//
	// # gan, generator
}
