// Command petrify trains generative image models and turns them into verified ONNX files.
package main

import (
	"os"

	"github.com/petrify-ml/petrify/internal/cli"
)

func main() { os.Exit(cli.Main()) }
