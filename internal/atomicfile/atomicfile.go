// Package atomicfile writes files that appear whole under their names or not at all: beside their place, synced, renamed.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Write replaces the content of the file at path, or makes the file. A new file gets the permissions that the umask
// leaves, one that is there keeps its own. Through a symbolic link the file that it points to is written, and the link
// stays. What is there and is not a regular file, such as a named pipe, is refused.
func Write(path string, b []byte) error {
	if err := write(path, b); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func write(path string, b []byte) error {
	path, err := follow(path)
	if err != nil {
		return err
	}
	before, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		before = nil
	case err != nil:
		return err
	case !before.Mode().IsRegular():
		return errors.New("not a regular file")
	}
	f, err := create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil && before != nil {
		err = f.Chmod(before.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// mostLinks is how many links lead to a file at most, as in Linux.
const mostLinks = 40

// follow finds the file behind symbolic links, which need not exist yet.
func follow(path string) (string, error) {
	for range mostLinks {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil // what is wrong with it, writing will say
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", errors.New("too many symbolic links")
}

const prefix = ".tmp-"

// Final is the name of the file that Write was to make of an unfinished one, which outlives a process that was killed. It
// is not ok for names that Write does not give. Of very long names the end is missing.
func Final(name string) (final string, ok bool) {
	final, ok = strings.CutPrefix(name, prefix)
	at := strings.LastIndexByte(final, '-')
	if !ok || at < 0 {
		return "", false
	}
	_, err := strconv.ParseUint(final[at+1:], 36, 64)
	return final[:at], err == nil
}

// short leaves room within the 255 bytes that a name may have.
func short(name string) string { return name[:min(len(name), 200)] }

// create makes a new file beside path.
func create(path string) (*os.File, error) {
	dir, name := filepath.Split(path)
	for {
		beside := filepath.Join(dir, prefix+short(name)+"-"+strconv.FormatUint(rand.Uint64(), 36))
		f, err := os.OpenFile(beside, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if e, ok := errors.AsType[*fs.PathError](err); ok && !errors.Is(err, fs.ErrExist) {
			return nil, &fs.PathError{Op: "make a file in", Path: filepath.Dir(path), Err: e.Err} // the name is ours
		}
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// syncFolder makes a rename last through a power failure. Windows has no such call and does not need it.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}
