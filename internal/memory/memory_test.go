package memory

import "testing"

func TestTotalIsThatOfAMachine(t *testing.T) {
	if n := Total(); !(n >= 1<<24 && n <= unknown) {
		t.Errorf("%v bytes", n)
	}
}

func TestText(t *testing.T) {
	for bytes, want := range map[float64]string{
		0: "0 bytes", 999_999: "999999 bytes", 24.6e9: "24.6 GB", 6.27e12: "6.27 TB", 1e6: "1 MB", 3e19: "30 EB", 123.4e15: "123 PB", 3.345e23: "334500 EB",
	} {
		if got := Text(bytes); got != want {
			t.Errorf("%v: %s, want %s", bytes, got, want)
		}
	}
}
