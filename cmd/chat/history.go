// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The stream of JetStream that keeps what was said. One that exists already is used as
// it is.
const (
	streamName  = "CHAT"
	streamAge   = 7 * 24 * time.Hour
	streamBytes = 64 << 20
	streamRoom  = 50   // messages of a room
	maxHistory  = 1000 // messages of a room, of a stream that others have made
)

// A history is what was said in the rooms.
type history struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	reason error // why there is none
}

// openHistory returns a history without a stream, but with the reason, if there is no
// JetStream.
func openHistory(nc *nats.Conn) *history {
	ctx, cancel := context.WithTimeout(context.Background(), natsTimeout)
	defer cancel()
	js, err := jetstream.New(nc)
	var stream jetstream.Stream
	if err == nil {
		stream, err = openStream(ctx, js)
	}
	if err != nil {
		return &history{reason: fmt.Errorf("JetStream: %w", err)}
	}
	return &history{js: js, stream: stream}
}

func openStream(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name:              streamName,
			Description:       "what was said in the rooms of chat",
			Subjects:          []string{subjectOf("*", kindSay)},
			MaxMsgsPerSubject: streamRoom,
			MaxBytes:          streamBytes,
			MaxAge:            streamAge,
			AllowDirect:       true,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was faster
			stream, err = js.Stream(ctx, streamName)
		}
	}
	if err != nil {
		return nil, err
	}
	if n := stream.CachedInfo().Config.MaxMsgsPerSubject; n <= 0 || n > maxHistory {
		return nil, fmt.Errorf("the stream %s keeps %d messages of a subject, not 1 to %d", streamName, n, maxHistory)
	}
	return stream, nil
}

// lines returns what was said last in the room, as it is shown, from the oldest on.
func (h *history) lines(ctx context.Context, room string) ([]string, error) {
	if h.stream == nil {
		return nil, h.reason
	}
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	h.settle(ctx)
	var lines []string
	subject := jetstream.WithGetMsgSubject(subjectOf(room, kindSay))
	for next := uint64(1); ; {
		msg, err := h.stream.GetMsg(ctx, next, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		next = msg.Sequence + 1
		if e, err := parseEvent(msg.Data); err == nil && e.Kind == kindSay {
			lines = append(lines, "["+msg.Time.UTC().Format("2006-01-02 15:04")+"] "+e.line(false))
		}
		if len(lines) > 2*streamRoom {
			lines = append([]string(nil), lines[streamRoom:]...)
		}
	}
	return lines[max(0, len(lines)-streamRoom):], nil
}

// settle waits until all that this node has said is kept: a stream takes messages one
// after the other, some time after they were heard. The one here, in a room that nobody
// can be in, is refused because of what it expects, and leaves nothing.
func (h *history) settle(ctx context.Context) {
	h.js.Publish(ctx, subjectOf("_", kindSay), nil, jetstream.WithExpectLastMsgID("none"))
}
