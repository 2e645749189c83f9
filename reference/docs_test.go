package reference

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/op"
)

const operatorsFile = "../docs/operators.md"

var update = flag.Bool("update", false, "write docs/operators.md anew")

// TestTheOperatorsPageIsMadeFromTheCode compares docs/operators.md with what the
// code says, or writes it.
func TestTheOperatorsPageIsMadeFromTheCode(t *testing.T) {
	page := operatorsPage(t)
	if *update {
		if err := os.WriteFile(operatorsFile, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(operatorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(old) != page {
		t.Errorf("%s is not what the code says: run go test ./reference -update", operatorsFile)
	}
}

func operatorsPage(t *testing.T) string {
	var b strings.Builder
	versions := map[string][]string{}
	inputs := map[string][]typeSet{} // the types of each input, of all versions
	for s := range op.All() {
		if s.Deprecated || s.Domain == "" && s.Since > newestOpset {
			continue
		}
		name := qualified(s.Domain, s.Name)
		versions[name] = append(versions[name], strconv.FormatInt(s.Since, 10))
		for i, f := range s.In {
			if i == len(inputs[name]) {
				inputs[name] = append(inputs[name], 0)
			}
			inputs[name][i] |= typesOf(f.Set)
			if f.Optional {
				inputs[name][i] |= optionalInput
			}
		}
	}
	passed, unsupported := map[string]int{}, map[string][]string{}
	byFolder := map[string][3]int{} // tests, passed, unsupported
	for _, o := range replayed(t) {
		n := byFolder[o.folder]
		n[0]++
		if u, ok := asUnsupported(o.err); ok {
			n[2]++
			unsupported[qualified(u.Domain, u.Op)] = append(unsupported[qualified(u.Domain, u.Op)], o.name)
		} else if o.err == nil {
			n[1]++
			for _, op := range o.operators {
				passed[op]++
			}
		}
		byFolder[o.folder] = n
	}
	fmt.Fprintf(&b, `# Operators of the reference

Generated from the code by %[1]sgo test ./reference -update%[1]s, and compared in CI.

The reference supports %[2]d operators, up to opset %[3]d. A version is a redefinition in ONNX, in force from its opset until the
next. Subgraphs, model functions, sequences, optionals and maps are supported, and element types of 8, 4 and 2 bits where ONNX
has them. Sparse weights are made dense. Complex numbers, and sparse tensors as inputs and outputs, are not supported; petrify refuses a model that needs one, and says so.
Nothing is lost by the former: ONNX Runtime 1.30 loads no model that has complex numbers, and none of ONNX's 1,765 node tests has any
(DFT and STFT have pairs of real numbers).

Affine, Crop, DynamicSlice, ImageScaler, ParametricSoftplus, Scale and ScaledTanh were experimental operators of opset 1, which ONNX
dropped; MeanVarianceNormalization and ThresholdedRelu had older, experimental forms. Models of 2017 to 2019 have them, and ONNX Runtime
runs them up to opset 9 (%[1]sgo test ./verify -run Experimental -sweep.count 100%[1]s). ATen, ConstantFill, GivenTensorFill and
GRUUnit, experimental as well, it does not run; petrify refuses them by name.

The operators of com.microsoft are those of ONNX Runtime 1.30. They are compared with ONNX Runtime on randomly drawn nodes
(%[1]sgo test ./verify -run 'OwnOperators|GeneralOperators' -sweep.count 100%[1]s), and, where it has no CPU kernel, with PyTorch
(%[1]sgo test ./verify -run NoKernel%[1]s): BiasAdd, BiasSoftmax, BiasSplitGelu, GroupNorm, SkipGroupNorm, and MultiHeadAttention with
queries, keys and values packed into one tensor. ONNX Runtime's CPU kernels deviate from its own definitions in five places: MatMulNBits
ignores packed zero points if g_idx is given, and gets 2 bits with g_idx wrong; MultiHeadAttention ignores the past if the present is not an
output; with unidirectional and more keys than queries, the last query sees all of the keys; MatMulBnb4 with transB = 0 reads its weights in
the wrong order; and QMoE always normalizes the weights of the chosen experts, as the reference does, too.

From ONNX's definitions they deviate here, among others: TreeEnsemble takes post_transform 1 for LOGISTIC and 2 for SOFTMAX; TreeEnsembleClassifier
has the labels 0 and 1 where leaves vote for two classes; STFT of complex signals with a window is not PyTorch's; Attention with
qk_matmul_output_mode 2 shows the lowest number for a key that is hidden, not minus infinity; LabelEncoder of version 2 finds no NaN.

The column of limits ([verification.md](verification.md) explains them):

- **derived**: the operator rounds, and there is a rule for how far.
- **moved**: elements are moved or chosen, and keep their limits.
- **exact**: the result involves no rounding.
- **blind**: exact as well, but if the inputs carry errors, the result has no limit, and the report names the operator. Where
  rounding decides how many elements there are (NonZero, Unique, NonMaxSuppression, a computed shape), a different shape is not a finding.
- **drawn**: random numbers, which have no limit.

The last column counts the passing tests of ONNX 1.12 (Debian's libonnx-testdata) that use the operator.

| operator | versions | element types of the first input | limits | tests |
|---|---|---|---|---|
`, "`", len(operators()), newestOpset)
	ops := operators()
	slices.SortFunc(ops, func(a, b operator) int {
		return strings.Compare(strings.ToLower(qualified(a.domain, a.name)), strings.ToLower(qualified(b.domain, b.name)))
	})
	for _, row := range ops {
		name := qualified(row.domain, row.name)
		in := inputs[name]
		types := "none"
		if len(in) > 0 {
			types = typesText(in[0] &^ optionalInput &^ row.portAt(0).lacks)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", name, strings.Join(versions[name], ", "), types, row.limits(in), passed[name])
	}
	b.WriteString("\n## The tests of ONNX 1.12\n\n| folder | tests | pass | unsupported | wrong |\n|---|---|---|---|---|\n")
	for _, folder := range sortedKeys(byFolder) {
		n := byFolder[folder]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", folder, n[0], n[1], n[2], n[0]-n[1]-n[2])
	}
	fmt.Fprintf(&b, `
These tests correct recorded data that are known to be wrong, and allow for data that were recorded with few decimals.
The program does neither: %[1]spetrify verify --runtime reference /usr/share/libonnx-testdata/data/node%[1]s gives 902 passed, 16 failed,
10 not compared and 4 not judged.

- failed: the 12 window functions (recorded with 3.1415 for pi), bicubic GridSample and two tests of RoiAlign (recorded with four
  decimals), and Adam on several tensors (recorded with an epsilon that the file does not mention);
- not compared: Bernoulli, Multinomial, and Dropout in training, whose results are random;
- not judged: CastLike from and to bfloat16, whose recorded input has a different shape from the one that the model declares.
`, "`")
	if len(unsupported) > 0 {
		b.WriteString("\nUnsupported, by missing operator:\n\n")
		for _, op := range sortedKeys(unsupported) {
			fmt.Fprintf(&b, "- %s: %s\n", op, strings.Join(unsupported[op], ", "))
		}
	}
	b.WriteString(newerNodeTests(t))
	b.WriteString(`
## Declared errors of functions

An implementation may be off by (relative |y| + absolute) u, where y is the exact value and u = 2^-24 for float32; an error of n ULP
is at most 2n in the relative column.

| function | relative | absolute | source |
|---|---|---|---|
`)
	for _, f := range Functions() {
		fmt.Fprintf(&b, "| %s | %v | %v | %s |\n", f.Name, f.Rel, f.Abs, f.Source)
	}
	return b.String()
}

// newerNodeTests is the section on the node tests of a newer release: what they say now
// where they are here, else what the page says.
func newerNodeTests(t *testing.T) string {
	const head, end = "\n## The node tests of ONNX 1.22\n", "<!-- end -->\n"
	r := replayNewer(t)
	if r == nil {
		old, err := os.ReadFile(operatorsFile)
		if err != nil {
			t.Fatal(err)
		}
		_, section, _ := strings.Cut(string(old), head)
		section, _, ok := strings.Cut(section, end)
		if !ok {
			t.Fatalf("%s has no section %q that ends with %q", operatorsFile, head, end)
		}
		return head + section + end
	}
	var b strings.Builder
	fmt.Fprintf(&b, `%[1]s
They exist only in ONNX's repository, so CI does not run them:

%[2]s
git clone --depth 1 --branch v1.22.0 https://github.com/onnx/onnx
PETRIFY_ONNX_NODE_TESTS=$PWD/onnx/onnx/backend/test/data go test ./reference -run NodeTestsOfANewer -v
%[2]s

With -run OperatorsPage -update that command writes the following tables.

| tests | pass | unsupported | wrong |
|---|---|---|---|
| %[3]d | %[4]d | %[5]d | %[6]d |
`, head, "```", r.tests, r.passed, r.tests-r.passed-len(r.wrong), len(r.wrong))
	if len(r.why) > 0 {
		b.WriteString("\n| unsupported | tests |\n|---|---|\n")
	}
	for _, reason := range sortedKeys(r.why) {
		fmt.Fprintf(&b, "| %s | %s |\n", reason, strings.Join(r.why[reason], ", "))
	}
	return b.String() + "\n" + end
}

func qualified(domain, name string) string {
	if domain == "" {
		return name
	}
	return domain + "." + name
}

// optionalInput marks the types of an input that may be left out.
const optionalInput typeSet = 1 << 61

// portAt is the port of one of the first inputs.
func (o operator) portAt(i int) port {
	if i < len(o.in) {
		return o.in[i]
	}
	return derived
}

// limits says how the operator treats rounding errors; in are the types of its inputs.
func (o operator) limits(in []typeSet) string {
	moved, float := len(in) > 0, false
	for i, types := range in {
		p := o.portAt(i)
		switch {
		case p.blind && (!p.sizes || i == 0 && types&^integers != 0):
			return "blind"
		case !p.moved && types&floats != 0 && types&optionalInput == 0:
			moved = false
		}
		float = float || types&floats != 0
	}
	switch {
	case o.drawn:
		return "drawn"
	case moved && o.portAt(0).moved:
		return "moved"
	case !float:
		return "exact"
	}
	return "derived"
}

// typesText names a set of types in few words.
func typesText(set typeSet) string {
	var parts []string
	for _, group := range []struct {
		set  typeSet
		name string
	}{
		{wideFloats, "floats"}, {minifloats, "float8 and float4"}, {wideSigned, "signed"}, {wideUnsigned, "unsigned"}, {packed, "int4 and int2"}, {bools, "bool"}, {texts, "string"}, {mappings, "maps"}, {seqs, "sequences"}, {options, "optionals"},
	} {
		if set&group.set == group.set {
			parts, set = append(parts, group.name), set&^group.set
		}
	}
	return strings.Join(append(parts, namesOf(set)...), ", ")
}
