// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framertest

import (
	"reflect"

	"github.com/goframer/framer"
)

// A wrapper is a Handler that passes all calls on to another one. It has all the optional
// methods. If the other Handler lacks a method, the wrapper does what package framer does
// without it.
type wrapper struct {
	framer.Handler

	// Collector is the one that the Handler embeds, or nil. Package framer looks for a
	// Collector in the handler of a connection and finds it here.
	*framer.Collector
}

func wrap(h framer.Handler) wrapper { return wrapper{h, embeddedCollector(h)} }

func (w wrapper) CollectIncomingData(data []byte) error {
	return w.Handler.CollectIncomingData(data)
}

func (w wrapper) HandleConnect() error {
	if h, ok := w.Handler.(framer.ConnectHandler); ok {
		return h.HandleConnect()
	}
	return nil
}

func (w wrapper) HandleReadComplete() error {
	if h, ok := w.Handler.(framer.ReadCompleteHandler); ok {
		return h.HandleReadComplete()
	}
	return nil
}

func (w wrapper) HandleOversize(e *framer.MessageTooLongError) error {
	if h, ok := w.Handler.(framer.OversizeHandler); ok {
		return h.HandleOversize(e)
	}
	return e
}

func (w wrapper) HandleShutdown() error {
	if h, ok := w.Handler.(framer.ShutdownHandler); ok {
		return h.HandleShutdown()
	}
	return nil
}

func (w wrapper) HandleTimeout(err error) error {
	if h, ok := w.Handler.(interface{ HandleTimeout(error) error }); ok {
		return h.HandleTimeout(err)
	}
	return err
}

func (w wrapper) HandleEnd(err error) error {
	if h, ok := w.Handler.(interface{ HandleEnd(error) error }); ok {
		return h.HandleEnd(err)
	}
	return nil
}

func (w wrapper) HandleClose(err error) {
	if h, ok := w.Handler.(framer.CloseHandler); ok {
		h.HandleClose(err)
	}
}

// embeddedCollector returns the Collector that h embeds at any depth, or nil.
func embeddedCollector(h framer.Handler) *framer.Collector {
	v := reflect.Indirect(reflect.ValueOf(h))
	if v.Kind() != reflect.Struct {
		return nil
	}
	field, ok := v.Type().FieldByName("Collector")
	if !ok || !field.Anonymous {
		return nil
	}
	v, err := v.FieldByIndexErr(field.Index)
	switch {
	case err != nil: // the Collector is behind a nil pointer
		return nil
	case v.CanAddr() && field.Type != reflect.TypeFor[*framer.Collector]():
		v = v.Addr()
	}
	c, _ := v.Interface().(*framer.Collector)
	return c
}

// isReadyMade reports whether h is a type of package framer itself, such as the handlers
// of framer.Session and framer.Messages. These can't be wrapped, because package framer
// gives them their input in another way.
func isReadyMade(h framer.Handler) bool {
	t := reflect.TypeOf(h)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == reflect.TypeFor[framer.Conn]().PkgPath()
}
