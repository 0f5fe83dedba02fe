package keeper

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/halberdhq/halberd"
)

// journal is revoked.log: one line for each tombstone, only ever appended to.
// Callers that come while one writes are written together by the next.
type journal struct {
	path string

	mu      sync.Mutex // guards waiting
	waiting *stroke    // what the next write will hold; nil: nobody waits

	pen      sync.Mutex // held while writing; guards the rest
	file     *os.File
	torn     bool  // the last line may not have its end
	size     int64 // of the file
	reserved int64 // up to here the disk's room is the journal's own
	failed   error // a sync failed: nothing is written any more
	log      *slog.Logger
}

// reserve is how much room on the disk the journal holds ahead of what it has
// written, where the file system can: revocations do not wait for a full disk to
// be cleared. It is enough for about 9,000.
const reserve = 1 << 20

// stroke is one write and one sync, for all who joined it.
type stroke struct {
	lines []byte
	done  chan struct{} // closed when err is set
	err   error
}

func openJournal(f *Folder, log *slog.Logger) (*journal, error) {
	j := &journal{path: f.File(TombsName), log: log}
	there, err := f.Has(TombsName)
	if err != nil {
		return nil, err
	}
	if j.file, err = os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	if !there {
		err = SyncFolder(f.Path)
	}
	if err == nil {
		j.torn, err = endsTorn(j.file)
	}
	if err == nil {
		j.size, err = j.file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(err, j.file.Close())
	}
	j.keepReserve()
	return j, nil
}

// keepReserve tries anew while it has no success: there may be room again.
func (j *journal) keepReserve() {
	if j.reserved-j.size < reserve/2 && allocate(j.file, j.size+reserve) == nil {
		j.reserved = j.size + reserve
	}
}

func endsTorn(f *os.File) (bool, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, size-1)
	return last[0] != '\n', err
}

func (j *journal) close() error { return j.file.Close() }

// Entomb means what halberd.Keeper says.
func (k *Keeper) Entomb(ts []halberd.Tombstone) error {
	if len(ts) == 0 {
		return nil
	}
	if err := k.tombs.append(ts); err != nil {
		return &halberd.Error{
			Code: halberd.CodeUnavailable, Message: "the journal of revocations cannot be written", RetryAfter: time.Second, Err: err,
		}
	}
	return nil
}

func (j *journal) append(ts []halberd.Tombstone) error {
	j.mu.Lock()
	mine := j.waiting
	first := mine == nil
	if first {
		mine = &stroke{done: make(chan struct{})}
		j.waiting = mine
	}
	for _, t := range ts {
		mine.lines = appendLine(mine.lines, t)
	}
	j.mu.Unlock()
	if first {
		j.write()
	}
	<-mine.done
	return mine.err
}

// write is called by the first of those who wait, for all of them.
func (j *journal) write() {
	j.pen.Lock()
	defer j.pen.Unlock()
	j.mu.Lock()
	s := j.waiting
	j.waiting = nil
	j.mu.Unlock()
	defer close(s.done)
	lines := s.lines
	if j.torn {
		lines = append([]byte{'\n'}, lines...)
	}
	if s.err = j.failed; s.err != nil {
		return
	}
	n, err := j.file.Write(lines)
	j.size += int64(n)
	if err == nil {
		// The system may have dropped what it could not write and say of the next
		// sync that all is well, so only a new process may go on.
		if err = j.file.Sync(); err != nil {
			j.failed = err
			j.log.Error("a sync of revoked.log failed: keys are revoked, but their revocations are not noted beside the database until the server is restarted", "why", err)
		}
	}
	s.err = err
	j.torn = err != nil
	j.keepReserve()
}

func appendLine(b []byte, t halberd.Tombstone) []byte {
	b = t.Key.Append(b)
	b = append(b, ' ')
	b = time.Unix(t.At, 0).UTC().AppendFormat(b, time.RFC3339)
	b = append(b, ' ')
	b = hex.AppendEncode(b, t.MAC[:])
	return append(b, '\n')
}

func parseLine(line []byte) (t halberd.Tombstone, ok bool) {
	fields := bytes.Split(line, []byte{' '})
	if len(fields) != 3 {
		return t, false
	}
	id, err := halberd.ParseKeyID(string(fields[0]))
	at, err2 := time.Parse(time.RFC3339, string(fields[1]))
	mac, err3 := hex.DecodeString(string(fields[2]))
	if errors.Join(err, err2, err3) != nil || len(mac) != len(t.MAC) {
		return t, false
	}
	return halberd.Tombstone{Key: id, At: at.Unix(), MAC: [32]byte(mac)}, true
}

// Tombstones means what halberd.Keeper says.
func (k *Keeper) Tombstones(each func(halberd.Tombstone) error) (damaged int, err error) {
	f, err := os.Open(k.tombs.path)
	if err != nil {
		return 0, fmt.Errorf("reading the journal of revocations: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // far longer than any line of ours
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			line = []byte("?")
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return damaged, fmt.Errorf("reading the journal of revocations: %w", err)
		}
		if line := bytes.TrimSuffix(line, []byte{'\n'}); len(line) > 0 {
			if t, ok := parseLine(line); !ok {
				damaged++
			} else if err := each(t); err != nil {
				return damaged, err
			}
		}
		if errors.Is(err, io.EOF) {
			return damaged, nil
		}
	}
}
