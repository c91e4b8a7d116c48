// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux

package proof_test

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goframer/framer"
)

// A reason describes the error with which a connection must end.
type reason struct {
	string
	holds func(err error) bool
}

func (r reason) String() string { return r.string }

// inOrder returns the reason of an end in order: nil.
func inOrder() reason {
	return reason{"nil", func(err error) bool { return err == nil }}
}

// is returns the reason that is one of the targets.
func is(targets ...error) reason {
	return reason{fmt.Sprint(targets), func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}}
}

// orInOrder returns a reason that accepts r and an end in order.
func orInOrder(r reason) reason {
	return reason{r.string + " or nil", func(err error) bool { return err == nil || r.holds(err) }}
}

// timedOut returns the reason of a connection that has exceeded the time limit.
func timedOut(limit string) reason {
	return reason{"a timeout of " + limit, func(err error) bool {
		return errors.Is(err, os.ErrDeadlineExceeded) && strings.Contains(err.Error(), "(Config."+limit+")")
	}}
}

// panicked returns the reason of a panic with target.
func panicked(target error) reason {
	return reason{fmt.Sprintf("a panic with %v", target), func(err error) bool {
		var p *framer.PanicError
		return errors.As(err, &p) && errors.Is(err, target) && len(p.Stack) > 0
	}}
}

// endedTooLong returns the reason of a message above the limit, of which at least seen
// bytes were known.
func endedTooLong(limit, seen int64) reason {
	return reason{fmt.Sprintf("a message too long, %d bytes, limit %d", seen, limit), func(err error) bool {
		var e *framer.MessageTooLongError
		return errors.As(err, &e) && e.Limit == limit && e.Seen >= seen
	}}
}
