// What engines understand of profiles, by their own code.
//
// Reads one profile a line from standard input, in base64, and prints a JSON object for each: by
// reader the runtime-spec's LinuxSeccomp that it hands to the runtime, or "error". The container
// has the capabilities that the command line names. Build it with GO111MODULE=off and the tag
// seccomp, from Debian's golang-...-dev packages.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	podman "github.com/containers/common/pkg/seccomp"
	docker "github.com/docker/docker/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

type reader func(text []byte, container *specs.Spec) (*specs.LinuxSeccomp, error)

var readers = map[string]reader{
	"docker": func(text []byte, container *specs.Spec) (*specs.LinuxSeccomp, error) {
		return docker.LoadProfile(string(text), container)
	},
	"podman": func(text []byte, container *specs.Spec) (*specs.LinuxSeccomp, error) {
		return podman.LoadProfileFromBytes(text, container)
	},
	// As containerd's contrib/seccomp does.
	"containerd": func(text []byte, _ *specs.Spec) (*specs.LinuxSeccomp, error) {
		profile := &specs.LinuxSeccomp{}
		return profile, json.Unmarshal(text, profile)
	},
	// As runc reads a config.json; no profile is one that says nothing.
	"oci": func(text []byte, _ *specs.Spec) (*specs.LinuxSeccomp, error) {
		config := &specs.Spec{}
		if err := json.Unmarshal(text, config); err != nil {
			return nil, err
		}
		if config.Linux == nil {
			return nil, nil
		}
		return config.Linux.Seccomp, nil
	},
}

type understood struct {
	Profile *specs.LinuxSeccomp `json:"profile,omitempty"`
	Error   string              `json:"error,omitempty"`
}

// A reader that panics, as moby's does on a null among the arguments, refuses the profile, too.
func read(by reader, text []byte, container *specs.Spec) (result understood) {
	defer func() {
		if problem := recover(); problem != nil {
			result = understood{Error: fmt.Sprint("panic: ", problem)}
		}
	}()
	profile, err := by(text, container)
	if err != nil {
		return understood{Error: err.Error()}
	}
	return understood{Profile: profile}
}

func main() {
	container := &specs.Spec{Process: &specs.Process{
		Capabilities: &specs.LinuxCapabilities{Bounding: os.Args[1:]},
	}}
	lines := bufio.NewReader(os.Stdin)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	encoder := json.NewEncoder(output)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		text, err := base64.StdEncoding.DecodeString(string(line[:len(line)-1]))
		if err != nil {
			panic(err)
		}
		answers := map[string]understood{}
		for name, by := range readers {
			answers[name] = read(by, text, container)
		}
		if err := encoder.Encode(answers); err != nil {
			panic(err)
		}
	}
}
