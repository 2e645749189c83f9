package sign

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/petrify-ml/petrify/internal/quote"
)

// Verify checks that the signature in bundle was made by a signer that t trusts, and that the model at path is what was signed: all files that it names,
// and no others. A *Mismatch says what is not so; any other error, that it could not be checked.
func Verify(ctx context.Context, path string, bundle []byte, t *Trust, o Options) (*Manifest, error) {
	s, err := parseBundle(bundle)
	if err != nil {
		return nil, err
	}
	signer, err := t.check(s, o.At)
	if err != nil {
		return nil, err
	}
	c, err := parseStatement(s.payload)
	if err != nil {
		return nil, err
	}
	c.Signer = signer
	m, err := openModel(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := m.compare(ctx, c, o); err != nil {
		return nil, err
	}
	slices.SortFunc(c.Files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return &c.Manifest, nil
}

// compare compares a model with what was signed.
func (m *files) compare(ctx context.Context, c *content, o Options) error {
	ignore := slices.Concat(alwaysIgnored, c.Ignored, o.Ignore)
	var problems []string
	signed := map[string][]span{}
	missing := 0
	for i := range c.Files {
		f := &c.Files[i]
		name, r := f.Name, span{0, -1}
		if c.shards > 0 {
			name, r.start, r.end, _ = shard(f.Name)
		}
		if name == "." && m.only != "" { // the model itself, in early versions
			name = m.only
			f.Name = name
		}
		signed[name] = append(signed[name], r)
		if m.only != "" && name != m.only {
			missing++
			problems = append(problems, quote.Name(name)+": signed, and not part of the model, which is one file")
			continue
		}
		if covered(name, o.Ignore) {
			return fmt.Errorf("%s is signed, and cannot be ignored", quote.Name(name))
		}
		sum, err := m.digest(ctx, name, r, c.follow)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing++
			problems = append(problems, quote.Name(f.Name)+": signed, and missing")
		case errors.Is(err, errShort), err == nil && hex.EncodeToString(sum) != f.SHA256:
			problems = append(problems, quote.Name(f.Name)+": changed since it was signed")
		case err != nil:
			return err
		}
	}
	if missing > 0 && missing == len(c.Files) {
		return &Mismatch{[]string{fmt.Sprintf("nothing of what was signed is here, such as %s: is it the signature of another folder or model?", quote.Name(c.Files[0].Name))}}
	}
	for name, ranges := range signed {
		end, err := joined(ranges)
		if err != nil {
			return malformed("resources", "%s: %v", quote.Name(name), err)
		}
		if info, err := m.root.Stat(name); end >= 0 && err == nil && info.Size() > end {
			problems = append(problems, fmt.Sprintf("%s: of %d bytes, %d are signed", quote.Name(name), info.Size(), end))
		}
	}
	if !o.AllowUnsigned {
		names, err := m.list(ctx, ignore, c.follow)
		if err != nil {
			return err
		}
		for _, name := range names {
			if signed[name] != nil {
				continue
			}
			if info, err := m.root.Stat(name); c.shards > 0 && err == nil && info.Size() == 0 {
				continue // a file without bytes has no range
			}
			problems = append(problems, quote.Name(name)+": not signed")
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return &Mismatch{problems}
	}
	return nil
}

// joined is up to where ranges, which must follow on one another, cover a file; below 0 is all of it.
func joined(ranges []span) (end int64, err error) {
	slices.SortFunc(ranges, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	for i, r := range ranges {
		if i > 0 && r.end < 0 {
			return 0, errors.New("named twice")
		}
		if r.start != end {
			return 0, fmt.Errorf("a range begins at %d, want %d", r.start, end)
		}
		end = r.end
	}
	return end, nil
}
