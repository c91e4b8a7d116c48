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

// These describe the JetStream stream that keeps what was said. If the stream exists
// already, it is used as it is.
const (
	streamName  = "CHAT"
	streamAge   = 7 * 24 * time.Hour
	streamBytes = 64 << 20
	streamRoom  = 50   // messages kept for each room
	maxHistory  = 1000 // messages of a room in a stream that others have made, at most
)

// A history holds what was said in the rooms.
type history struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	reason error // why there is no stream
}

// openHistory returns the history. If there is no JetStream, it returns a history without
// a stream, but with the reason.
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
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node has made it first
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

// lines returns the last messages of the room, the oldest first, as lines to show.
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

// settle waits until the stream has kept everything that this node has said. A stream
// takes messages one after the other, some time after the members have heard them. So
// settle publishes one more message, to a room that nobody can be in, and waits for the
// answer. The stream refuses that message because of its condition, and keeps nothing of
// it.
func (h *history) settle(ctx context.Context) {
	h.js.Publish(ctx, subjectOf("_", kindSay), nil, jetstream.WithExpectLastMsgID("none"))
}
