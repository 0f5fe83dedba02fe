package keeper

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/halberdhq/halberd"
)

// Pepper keeps the pepper in a file of hexadecimal lines, one for each layer,
// that appears whole or not at all. It means what halberd.Keeper says.
func (k *Keeper) Pepper(create []byte) ([]byte, error) {
	k.pepper.Lock()
	defer k.pepper.Unlock()
	kept, err := readPepper(k.folder.File(PepperName))
	if !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	if create == nil {
		return nil, halberd.ErrNotFound
	}
	if err := k.folder.writePepper(create); err != nil {
		return nil, fmt.Errorf("keeping the pepper: %w", err)
	}
	return readPepper(k.folder.File(PepperName))
}

func readPepper(path string) (pepper []byte, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the pepper: %w", err)
	}
	for line := range bytes.Lines(text) {
		layer, err := hex.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil || len(layer) != halberd.PepperLen {
			return nil, fmt.Errorf("%s does not hold lines of %d hexadecimal digits: %w; put the right one back", path, 2*halberd.PepperLen, ErrDamaged)
		}
		pepper = append(pepper, layer...)
	}
	if len(pepper) == 0 {
		return nil, fmt.Errorf("%s is empty: %w; put the right one back", path, ErrDamaged)
	}
	return pepper, nil
}

// writePepper is called with the folder locked and no pepper in it.
func (f *Folder) writePepper(pepper []byte) error {
	if len(pepper) == 0 || len(pepper)%halberd.PepperLen != 0 {
		return fmt.Errorf("a pepper of %d bytes is not made of layers of %d", len(pepper), halberd.PepperLen)
	}
	var text []byte
	for ; len(pepper) > 0; pepper = pepper[halberd.PepperLen:] {
		text = append(hex.AppendEncode(text, pepper[:halberd.PepperLen]), '\n')
	}
	path := f.File(PepperName)
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := WriteNew(path+".new", text); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncFolder(f.Path)
}
