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

// A reason is why a connection must have ended.
type reason struct {
	string
	holds func(err error) bool
}

func (r reason) String() string { return r.string }

// inOrder is the reason of a connection that has ended well.
func inOrder() reason {
	return reason{"nil", func(err error) bool { return err == nil }}
}

// is is a reason that is one of the targets.
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

// orInOrder is r, or a good end.
func orInOrder(r reason) reason {
	return reason{r.string + " or nil", func(err error) bool { return err == nil || r.holds(err) }}
}

// timedOut is a reason that says that a limit was exceeded.
func timedOut(limit string) reason {
	return reason{"a timeout of " + limit, func(err error) bool {
		return errors.Is(err, os.ErrDeadlineExceeded) && strings.Contains(err.Error(), "(Config."+limit+")")
	}}
}

// panicked is a reason that says that there was a panic with target.
func panicked(target error) reason {
	return reason{fmt.Sprintf("a panic with %v", target), func(err error) bool {
		var p *framer.PanicError
		return errors.As(err, &p) && errors.Is(err, target) && len(p.Stack) > 0
	}}
}

// endedTooLong is a reason that says that at least seen bytes of a message were known.
func endedTooLong(limit, seen int64) reason {
	return reason{fmt.Sprintf("a message too long, %d bytes, limit %d", seen, limit), func(err error) bool {
		var e *framer.MessageTooLongError
		return errors.As(err, &e) && e.Limit == limit && e.Seen >= seen
	}}
}
