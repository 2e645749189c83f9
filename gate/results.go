package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/atomicfile"
)

// results is where results are kept, under names without folders. What is written appears completely or not at all.
type results interface {
	read(ctx context.Context, name string) ([]byte, error)
	write(ctx context.Context, name string, b []byte) error
	// list lists the names that end in .json, in order.
	list(ctx context.Context) ([]string, error)
	// open sees that it can be written to, before hours of work are for nothing.
	open(ctx context.Context) error
}

// resultsAt are the results in a folder, or below a URL of the store.
func resultsAt(at string, store Store) (results, error) {
	if !strings.Contains(at, "://") {
		return folder(at), nil
	}
	if store == nil {
		return nil, fmt.Errorf("%s: objects of a store are kept by petrify-fleet, which is a program of its own; or mount the store", at)
	}
	return objects{store, strings.TrimRight(at, "/") + "/"}, nil
}

type folder string

func (f folder) read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), name))
}

func (f folder) write(_ context.Context, name string, b []byte) error {
	return atomicfile.Write(filepath.Join(string(f), name), b)
}

func (f folder) list(context.Context) ([]string, error) {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && path.Ext(e.Name()) == ".json" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (f folder) open(context.Context) error {
	if err := os.MkdirAll(string(f), 0o755); err != nil {
		return err
	}
	probe, err := os.CreateTemp(string(f), ".petrify-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// objects are results below a URL that ends in a slash: a store takes an object completely or not at all.
type objects struct {
	store Store
	below string
}

func (o objects) read(ctx context.Context, name string) ([]byte, error) {
	return o.store.Read(ctx, o.below+name)
}

func (o objects) write(ctx context.Context, name string, b []byte) error {
	return o.store.Write(ctx, o.below+name, b)
}

func (o objects) list(ctx context.Context) ([]string, error) {
	all, err := o.store.List(ctx, o.below)
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(all, func(name string) bool { return strings.Contains(name, "/") || path.Ext(name) != ".json" })
	slices.Sort(names)
	return names, nil
}

func (o objects) open(ctx context.Context) error {
	const probe = "petrify-results"
	if err := o.write(ctx, probe, []byte("results of petrify gate, an object for each model\n")); err != nil {
		return err
	}
	_, err := o.read(ctx, probe)
	return err
}
