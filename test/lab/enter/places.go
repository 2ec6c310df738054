// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package enter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// labsVariable is the variable with the number of labs whose machines may boot at a time, of those
// that meet in a folder. Without it any number may: make test-lab sets it.
const labsVariable = "CAPOM_LABS"

// places are the files of the places that this program has: one that is collected would be given
// back.
var places sync.Map

// Place waits until fewer labs than may be are in their places, and takes one. It lasts until it is
// given back, or until the program ends.
func Place(folder string) (giveBack func() error, err error) {
	labs := os.Getenv(labsVariable)
	if labs == "" {
		return func() error { return nil }, nil
	}
	count, err := strconv.Atoi(labs)
	if err != nil || count < 1 {
		return nil, fmt.Errorf("%s is %q, and should be a number of labs", labsVariable, labs)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for places: %w", err)
	}
	for {
		for i := range count {
			file, err := lock(filepath.Join(folder, strconv.Itoa(i)), syscall.LOCK_EX|syscall.LOCK_NB)
			if err == nil {
				places.Store(file, true)
				return func() error {
					places.Delete(file)
					return unlock(file)
				}, nil
			}
			if !errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, err
			}
		}
		time.Sleep(time.Second)
	}
}
