package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/verify"
)

//go:embed page.html
var page string

// HTML writes a report as one page that needs nothing else: no script, no font, no picture from elsewhere.
func HTML(w io.Writer, r *Report) error { return pageTemplate.Execute(w, r) }

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"text":       quote.Text,
	"word":       func(f File) string { return fileWord(&f) },
	"files":      gravest,
	"totals":     totals,
	"count":      count.Of,
	"counts":     func(i Item) bool { return i.Counts() },
	"rule":       find,
	"bars":       bars,
	"axis":       axis,
	"rows":       func(m *verify.ModelReport) []verify.Comparison { return m.Rows },
	"number":     func(n verify.Number) string { return figure(math.Abs(float64(n))) },
	"precise":    func(n verify.Number) string { return fmt.Sprintf("%.9g", float64(n)) },
	"graph":      drawNeighbourhood,
	"shape":      func(dims []int) string { return strings.ReplaceAll(strings.Trim(fmt.Sprint(dims), "[]"), " ", "×") },
	"upper":      func(v verify.Verdict) string { return word(v) },
	"isDiffer":   func(v verify.Verdict) bool { return v == verify.Different || v == verify.Failed },
	"firstFault": firstFault,
}).Parse(page))

// gravest are the files of a report, those with findings first, then those that were not judged.
func gravest(files []File) []File {
	rank := map[Status]int{Finding: 0, Problem: 1, Pass: 2, Skipped: 2}
	sorted := slices.Clone(files)
	slices.SortStableFunc(sorted, func(a, b File) int { return rank[a.Status] - rank[b.Status] })
	return sorted
}

// A bar is a rectangle of a distribution, in the units of its picture.
type bar struct {
	X, Y, Width, Height float64
	Beyond              bool // the screen's limit
	Title               string
}

// Sizes of the picture of a distribution. The screen's limit, 8 spreads, is between two bins.
const (
	pictureWidth, pictureHeight = 340, 72
	screenSpreads               = 8
)

// bars draws a distribution of |z|.
func bars(counts []int) []bar {
	most := slices.Max(append([]int{1}, counts...))
	width := float64(pictureWidth) / float64(max(len(counts), 1))
	var all []bar
	for i, n := range counts {
		if n == 0 {
			continue
		}
		// Counts span many orders; one element must be seen beside a million.
		height := (0.12 + 0.88*math.Log1p(float64(n))/math.Log1p(float64(most))) * pictureHeight
		all = append(all, bar{float64(i) * width, pictureHeight - height, width - 1, height, lowest(i) >= screenSpreads, fmt.Sprintf("%s: %s", binName(i, len(counts)), count.Of(n, "element"))})
	}
	return all
}

// lowest is where bin i begins.
func lowest(i int) float64 {
	if i < 2 {
		return 0
	}
	return math.Ldexp(1, verify.DistributionFrom+i-2)
}

func binName(i, bins int) string {
	switch {
	case i == 0:
		return "no error"
	case i == bins-1:
		return fmt.Sprintf("%g spreads and more", lowest(i))
	}
	return fmt.Sprintf("%g to %g spreads", lowest(i), lowest(i+1))
}

// A tick is a mark of the axis of a distribution.
type tick struct {
	X    float64
	Text string
}

// axis has a tick where a bin begins.
func axis(counts []int) []tick {
	width := float64(pictureWidth) / float64(max(len(counts), 1))
	ticks := []tick{{width / 2, "0"}}
	for i := range counts {
		switch at := lowest(i); at {
		case 0.0625, 1, 8, 64, 512:
			ticks = append(ticks, tick{float64(i) * width, fmt.Sprintf("%g", at)})
		}
	}
	return ticks
}

// firstFault is the first fault among the rows of a model, nil if there is none.
func firstFault(m *verify.ModelReport) *verify.Fault {
	if m == nil {
		return nil
	}
	for _, r := range m.Rows {
		if r.Fault != nil {
			return r.Fault
		}
	}
	return nil
}

// A drawing is a fault with the nodes around it: those before it on the left, those after it on the right.
type drawing struct {
	Width, Height int
	Boxes         []box
	Edges         []edge
}

type box struct {
	X, Y     int
	Op, Name string
	Fault    bool
}

type edge struct {
	X1, Y1, X2, Y2 int
	Name           string
}

// OuterWidth and OuterHeight have room for the lines around the boxes.
func (d drawing) OuterWidth() int  { return d.Width + 4 }
func (d drawing) OuterHeight() int { return d.Height + 4 }

const (
	boxWidth, boxHeight = 190, 46
	gapX, gapY          = 70, 16
)

func drawNeighbourhood(f *verify.Fault) drawing {
	at := slices.IndexFunc(f.Around, func(n verify.Neighbour) bool { return n.Node == f.Node })
	if at < 0 {
		return drawing{}
	}
	feeds := func(a, b verify.Neighbour) string {
		for _, v := range a.Outputs {
			if v != "" && slices.Contains(b.Inputs, v) {
				return v
			}
		}
		return ""
	}
	columns := [3][]verify.Neighbour{1: {f.Around[at]}}
	for i, n := range f.Around {
		switch {
		case i == at:
		case feeds(n, f.Around[at]) != "":
			columns[0] = append(columns[0], n)
		default:
			columns[2] = append(columns[2], n)
		}
	}
	tallest := max(len(columns[0]), len(columns[2]), 1)
	d := drawing{Width: 3*boxWidth + 2*gapX, Height: tallest*(boxHeight+gapY) - gapY}
	y := func(c, k int) int {
		free := d.Height - len(columns[c])*(boxHeight+gapY) + gapY
		return free/2 + k*(boxHeight+gapY)
	}
	for c, column := range columns {
		for k, n := range column {
			d.Boxes = append(d.Boxes, box{c * (boxWidth + gapX), y(c, k), short(n.Op, 24), short(bare(n.Node), 28), c == 1})
			switch c {
			case 0:
				d.Edges = append(d.Edges, edge{boxWidth, y(0, k) + boxHeight/2, boxWidth + gapX, y(1, 0) + boxHeight/2, short(feeds(n, f.Around[at]), 40)})
			case 2:
				d.Edges = append(d.Edges, edge{2*boxWidth + gapX, y(1, 0) + boxHeight/2, 2 * (boxWidth + gapX), y(2, k) + boxHeight/2, short(feeds(f.Around[at], n), 40)})
			}
		}
	}
	return d
}

// bare is the name in a place such as `node "fc1"`.
func bare(node string) string {
	if name, ok := strings.CutPrefix(node, `node "`); ok && strings.HasSuffix(name, `"`) {
		return name[:len(name)-1]
	}
	return node
}

// short is a name that fits a box.
func short(s string, most int) string {
	s = quote.Text(s)
	if width(s) <= most {
		return s
	}
	r := []rune(s)
	return string(r[:most-1]) + "…"
}
