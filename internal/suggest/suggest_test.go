package suggest

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"gan", "dcgan", "autoencoder", "vae", "load", "ort-node", "ort-python", "SampleEvery"}
	for _, c := range []struct{ name, want string }{
		{"gna", "gan"}, // neighbours swapped
		{"GAN", "gan"},
		{"dcgam", "dcgan"},
		{"autoencodr", "autoencoder"},
		{"ort-nod", "ort-node"},
		{"ortpython", "ort-python"},
		{"sampleevry", "SampleEvery"},
		{"ort", "ort-node"}, // the first that it begins
		{"transformer", ""},
		{"x", ""},
		{"", ""},
	} {
		if got := Nearest(c.name, known); got != c.want {
			t.Errorf("Nearest(%q) is %q, want %q", c.name, got, c.want)
		}
	}
	if got := DidYouMean("gna", known); got != "; did you mean gan?" {
		t.Errorf("DidYouMean says %q", got)
	}
	if got := DidYouMean("transformer", known); got != "" {
		t.Errorf("DidYouMean says %q where nothing is near", got)
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"mnist", "mnist", 0},
		{"mnits", "mnist", 1}, {"mist", "mnist", 1}, {"mnistt", "mnist", 1}, {"kmnist", "mnist", 1},
		{"cifar", "mnist", 5}, {"kitten", "sitting", 3},
	} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
