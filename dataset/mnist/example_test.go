package mnist_test

import (
	"fmt"
	"io/fs"

	"github.com/petrify-ml/petrify/dataset/mnist"
)

func ExampleFiles() {
	names, err := fs.Glob(mnist.Files(), "*.gz")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range names {
		fmt.Println(n)
	}
	// Output:
	// t10k-images-idx3-ubyte.gz
	// t10k-labels-idx1-ubyte.gz
	// train-images-idx3-ubyte.gz
	// train-labels-idx1-ubyte.gz
}
