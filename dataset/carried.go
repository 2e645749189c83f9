package dataset

import (
	"context"
	"fmt"

	"github.com/petrify-ml/petrify/dataset/mnist"
)

// A carriedSet is a data set inside the program.
type carriedSet struct {
	name        string
	files       folder
	train, test string // digests: known, so that nobody waits for them
	n, nTest    int
	decoded     func(idxSet) (*Set, error) // the training split, quicker than from its files
}

var carried = []carriedSet{
	{"mnist", folder{mnist.Files(), "mnist"}, mnistTrain, mnistTest, mnist.TrainN, 10000, mnistImages},
}

const (
	mnistTrain = "013e0a690ea982f9f86a8aefd0c5949d3e9b12e37ad230ffe8af6604d2ef0de6"
	mnistTest  = "5cfef7b2bb8a59ab696f81a0eaf40cb3778569d762c1ba39fc971485e040ec91"
)

// Names lists the data sets embedded in the program.
func Names() []string {
	var names []string
	for _, c := range carried {
		names = append(names, c.name)
	}
	return names
}

func (c carriedSet) about() string {
	return fmt.Sprintf("train: %d images; test: %d images", c.n, c.nTest)
}

func (carriedSet) labelled() bool { return true }

func (c carriedSet) read(ctx context.Context, s split, _ Options) (*Set, error) {
	files := idxSet{folder: c.files, dir: "."}
	if s == trainSplit {
		set, err := c.decoded(files)
		if err == nil {
			set.Digest = c.train
		}
		return set, err
	}
	set, err := files.decode(ctx, testSplit)
	if err == nil {
		set.Digest = c.test
	}
	return set, err
}

// mnistImages decodes the training images on several cores: from one file of the program it takes most of the time until the
// first iteration.
func mnistImages(files idxSet) (*Set, error) {
	pixels, err := mnist.TrainPixels()
	if err != nil {
		return nil, err
	}
	_, labels, err := files.classes(context.Background(), trainSplit)
	if err != nil {
		return nil, err
	}
	return &Set{N: mnist.TrainN, C: 1, H: mnist.Height, W: mnist.Width, Pixels: pixels, Labels: labels}, nil
}
