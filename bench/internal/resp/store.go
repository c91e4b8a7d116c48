// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package resp is what the servers of the RESP scenarios share: the store behind
// them, and the words of the protocol of Redis.
package resp

import (
	"bytes"
	"sync"
)

// A Store has the values of SET. The zero value is empty and ready. Its methods can be
// called from any goroutine.
type Store struct {
	mu     sync.Mutex
	values map[string]*[]byte
}

// Set sets the value of a key. It copies key, and keeps value, which must not be
// changed any more.
func (s *Store) Set(key, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[string(key)]; v != nil { // does not allocate
		*v = value
		return
	}
	if s.values == nil {
		s.values = make(map[string]*[]byte)
	}
	v := value // not value itself, which would be on the heap always
	s.values[string(key)] = &v
}

// Get returns the value of a key, which must not be changed, and whether there is one.
func (s *Store) Get(key []byte) (value []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[string(key)]; v != nil {
		return *v, true
	}
	return nil, false
}

// AppendReply carries out a command and appends the reply. Of SET it keeps the value,
// and leaves nil in its place; nothing else is kept.
func (s *Store) AppendReply(reply []byte, args [][]byte) []byte {
	switch {
	case len(args) == 3 && Is(args[0], "SET"):
		s.Set(args[1], args[2])
		args[2] = nil
		return append(reply, OK...)
	case len(args) == 2 && Is(args[0], "GET"):
		value, ok := s.Get(args[1])
		if !ok {
			return append(reply, Null...)
		}
		return AppendBulk(reply, value)
	}
	return append(reply, Unknown...)
}

// Is reports whether name is that of the command, in capital letters or not.
func Is(name []byte, command string) bool {
	return string(name) == command || len(name) == len(command) && string(bytes.ToUpper(name)) == command
}
