package dataset_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/dataset"
)

// A set of one's own: an image of 2x2 grey pixels.
func ExampleNew() {
	set, err := dataset.New("corners", 1, 1, 2, 2, []uint8{255, 0, 0, 0}, []uint32{7})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d image of %dx%d, labelled %d\n", set.N, set.H, set.W, set.Labels[0])
	_, err = dataset.New("corners", 2, 1, 2, 2, []uint8{255, 0, 0, 0}, []uint32{7, 8})
	fmt.Println(err != nil)
	// Output:
	// 1 image of 2x2, labelled 7
	// true
}
