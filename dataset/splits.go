package dataset

import (
	"slices"
	"strings"
	"unicode"
)

// A split is a part of a data set.
type split int

const (
	noSplit split = iota
	trainSplit
	testSplit
	validationSplit
)

func (s split) String() string {
	return [...]string{"none", "train", "test", "validation"}[s]
}

// splitWords are what people call the parts of their data.
var splitWords = map[split][]string{
	trainSplit:      {"train", "training", "trn", "trainset", "trainingset", "traindata", "trainingdata"},
	testSplit:       {"test", "testing", "tst", "testset", "testdata", "eval", "evaluation", "holdout", "heldout"},
	validationSplit: {"val", "valid", "validation", "dev", "validate", "valset", "valdata", "validationset", "validationdata", "devset"},
}

// splitOf tells which split a folder or a file is by its name: Train, training_data, mnist_test, val2017. sure is true where
// the name says nothing else.
func splitOf(name string) (s split, sure bool) {
	words := wordsOf(name)
	if len(words) == 0 || len(words) > 4 {
		return noSplit, false
	}
	for _, at := range []int{0, len(words) - 1} {
		for part, known := range splitWords {
			if !slices.Contains(known, words[at]) {
				continue
			}
			if s != noSplit && s != part {
				return noSplit, false // such as train_test
			}
			s = part
		}
	}
	return s, len(words) == 1
}

// wordsOf cuts a name into its words in small letters, without digits and signs.
func wordsOf(name string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	small := false
	for _, r := range name {
		switch {
		case unicode.IsLetter(r):
			if unicode.IsUpper(r) && small {
				end()
			}
			small = !unicode.IsUpper(r)
			word.WriteRune(unicode.ToLower(r))
		default:
			end()
			small = false
		}
	}
	end()
	return words
}
