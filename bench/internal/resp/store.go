// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package resp has what the servers of the RESP scenarios share: the store, and the
// syntax of the protocol of Redis.
package resp

import (
	"bytes"
	"sync"
)

// A Store has the values of SET. The zero value is empty and ready to use. Its methods
// may be called from any goroutine.
type Store struct {
	mu     sync.Mutex
	values map[string]*[]byte
}

// Set sets the value of a key. It copies key. It keeps value, which must not be changed
// afterwards.
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
	v := value // a copy, because &value would put value on the heap in every call
	s.values[string(key)] = &v
}

// Get returns the value of a key, and whether there is one. The value must not be
// changed.
func (s *Store) Get(key []byte) (value []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[string(key)]; v != nil {
		return *v, true
	}
	return nil, false
}

// AppendReply executes a command and appends the reply. For a SET it keeps the value, and
// sets the argument to nil. It keeps nothing else.
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

// Is reports whether name is the name of the command. The case of name does not count.
func Is(name []byte, command string) bool {
	return string(name) == command || len(name) == len(command) && string(bytes.ToUpper(name)) == command
}
