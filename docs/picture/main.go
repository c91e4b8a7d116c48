// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Picture draws the pictures of the README, each for light and for dark pages: the life
// of a byte, and the results of bench from the tables in bench/RESULTS.md. It also writes
// the prices of the styles in the README. Call it after a change or a new run of bench, in the root of
// the repository:
//
//	go run ./docs/picture
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("picture: ")
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Printf("want no arguments, got %q", flag.Args())
		os.Exit(2)
	}
	results, err := os.ReadFile(filepath.Join(*root, resultsFile))
	if err != nil {
		log.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(*root, readmeFile))
	if err != nil {
		log.Fatal(err)
	}
	files, err := draw(string(results), string(readme))
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(*root, name), []byte(text), 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

// resultsFile has the results. All file names here are relative to the root.
const resultsFile = "bench/RESULTS.md"

// draw returns the new contents of the pictures and of the README, by file name. The
// arguments are the contents of resultsFile and of the README now.
func draw(resultsText, readmeText string) (map[string]string, error) {
	r, err := parseResults(resultsText)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", resultsFile, err)
	}
	files := make(map[string]string)
	for name, th := range map[string]theme{"light": light, "dark": dark} {
		files["docs/byte-"+name+".svg"] = drawByte(th)
		files["docs/results-"+name+".svg"] = drawResults(th, r)
	}
	if files[readmeFile], err = withFigures(readmeText, r); err != nil {
		return nil, fmt.Errorf("%s: %w", readmeFile, err)
	}
	return files, nil
}
