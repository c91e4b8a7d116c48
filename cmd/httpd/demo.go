// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

// demo returns next with two more paths, which show what a body can be:
//
//	POST /echo             sends the body back
//	GET /stream?lines=N    counts, in chunks
func demo(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", echo)
	mux.HandleFunc("GET /stream", stream)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern != "" {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// maxEcho is the greatest size of a body that /echo sends back, in bytes.
const maxEcho = 1 << 20

func echo(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > maxEcho {
		http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEcho))
	if err != nil {
		status := http.StatusBadRequest
		if _, ok := err.(*http.MaxBytesError); ok {
			status = http.StatusRequestEntityTooLarge
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			status = http.StatusRequestTimeout
		}
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(data)
}

// maxLines is the greatest number of lines that /stream sends.
const maxLines = 100_000

func stream(w http.ResponseWriter, r *http.Request) {
	lines := 10
	if s := r.URL.Query().Get("lines"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > maxLines {
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		lines = n
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for i := range lines {
		if _, err := fmt.Fprintf(w, "line %d\n", i+1); err != nil {
			return
		}
	}
}
