package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// A LockedError says that another process is writing to a run folder.
type LockedError struct {
	Dir  string
	PID  int    // 0 if unknown
	Host string // "" if unknown
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another process: wait for it to end, or stop it", e.Dir)
	}
	return fmt.Sprintf("%s is in use by process %d on %s: wait for it to end, or stop it", e.Dir, e.PID, e.Host)
}

// lockFile exists while a process writes to a run. What counts is the operating system's lock on it, which ends with the
// process however that ends: a file that was left behind locks nothing.
const lockFile = "run.lock"

// holder is what the file says about its process, for people.
type holder struct {
	PID  int    `json:"pid"`
	Host string `json:"host"`
}

// lock is the right to write to a run folder.
type lock struct{ file *os.File }

// errLocked is what tryLock gives where another process holds a file.
var errLocked = errors.New("locked by another process")

// acquire locks a folder, which exists.
func acquire(dir string) (*lock, error) {
	path := filepath.Join(dir, lockFile)
	for {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: not a regular file", path)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return nil, err
		}
		switch err := tryLock(f); {
		case errors.Is(err, errLocked):
			return nil, errors.Join(lockedBy(dir, f), f.Close())
		case err != nil:
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		// Its last holder may have removed the file between the opening and the lock: then it locks nothing.
		ours, err := f.Stat()
		now, statErr := os.Stat(path)
		if err == nil && statErr == nil && os.SameFile(ours, now) {
			l := &lock{f}
			if err := l.sign(); err != nil {
				return nil, errors.Join(err, l.release())
			}
			return l, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		if statErr != nil && !errors.Is(statErr, fs.ErrNotExist) {
			return nil, statErr
		}
	}
}

// sign says whose the lock is.
func (l *lock) sign() error {
	host, _ := os.Hostname()
	b, err := json.Marshal(holder{os.Getpid(), host})
	if err == nil {
		err = l.file.Truncate(0)
	}
	if err == nil {
		_, err = l.file.WriteAt(append(b, '\n'), 0)
	}
	return err
}

func lockedBy(dir string, f *os.File) error {
	e := &LockedError{Dir: dir}
	var h holder
	b, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err == nil && json.Unmarshal(b, &h) == nil {
		e.PID, e.Host = h.PID, h.Host
	}
	return e
}

// release gives the lock back. The file goes while it is still locked, so that nobody can hold one that is gone.
func (l *lock) release() error {
	if l == nil {
		return nil
	}
	if runtime.GOOS == "windows" { // which removes no open file
		err := l.file.Close()
		_ = os.Remove(l.file.Name()) // it stays where another process has locked it by now
		return err
	}
	err := os.Remove(l.file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.file.Close())
}
