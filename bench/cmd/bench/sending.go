// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/goframer/framer/bench/internal/payload"
	"golang.org/x/sys/unix"
)

// A comparison is a task of the program send that is run in several styles.
type comparison struct {
	part, name string
	styles     []string // the others are compared with the first
	send       []string // the flags of send, except the style
	sink       []string // the flags of sink
}

const pushers = 64 // how many goroutines push onto one connection

func pushComparison(quick bool) comparison {
	messages := 50_000
	if quick {
		messages = 10_000
	}
	goroutines := strconv.Itoa(pushers)
	return comparison{
		part:   partPush,
		name:   fmt.Sprintf("%d goroutines push %d-byte messages onto one connection", pushers, payload.MessageSize),
		styles: []string{"bufio", "framer"},
		send:   []string{"-task", "push", "-goroutines", goroutines, "-messages", strconv.Itoa(messages)},
		sink: []string{"-expect", "order", "-goroutines", goroutines,
			"-window", strconv.Itoa(pushers * messages * payload.MessageSize)},
	}
}

func broadcastComparisons(quick bool) []comparison {
	conns, windows := 10_000, "5"
	if quick {
		conns, windows = 1_000, "3"
	}
	var list []comparison
	for _, size := range []int{64, 16 << 10} {
		n, z := strconv.Itoa(conns), strconv.Itoa(size)
		list = append(list, comparison{
			part:   partBroadcast,
			name:   fmt.Sprintf("one payload of %s to %s connections", byteCount(float64(size)), grouped(int64(conns))),
			styles: []string{"raw", "framer-push", "framer-producer"},
			send:   []string{"-task", "broadcast", "-conns", n, "-size", z, "-repeat", windows},
			sink:   []string{"-expect", "pattern", "-conns", n, "-size", z, "-window", z, "-windows", windows},
		})
	}
	return list
}

func fileComparison(quick bool, programs string) comparison {
	size := fileSize(quick)
	return comparison{
		part:   partFile,
		name:   fmt.Sprintf("a file of %s to one connection", byteCount(float64(size))),
		styles: []string{"copy", "framer"},
		send:   []string{"-task", "file", "-path", filePath(programs)},
		sink:   []string{"-expect", "count", "-window", strconv.FormatInt(size, 10)},
	}
}

func fileSize(quick bool) int64 {
	if quick {
		return 256 << 20
	}
	return 1 << 30
}

func filePath(programs string) string {
	return filepath.Join(programs, "file")
}

// writeFile writes a file of size bytes, which must be a multiple of 1 MiB. It waits
// until the file is on the disk, so that the system is not busy with it later. The file
// stays in the page cache, too.
func writeFile(ctx context.Context, path string, size int64) (err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &fs); err != nil {
		return os.NewSyscallError("statfs", err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < 2*size {
		return fmt.Errorf("%s has %s free, and %s are wanted",
			filepath.Dir(path), byteCount(float64(free)), byteCount(float64(2*size)))
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	chunk := payload.Pattern(1 << 20)
	for range size / int64(len(chunk)) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return f.Sync()
}
