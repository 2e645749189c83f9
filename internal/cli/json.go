package cli

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/petrify-ml/petrify/internal/quote"
)

// writeJSON writes v as one indented JSON document that does not act where it is shown.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(quote.JSON(b.Bytes()))
	return err
}
