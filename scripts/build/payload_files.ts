/** Files every form of executable carries, below `.out/`; the BPF objects come with `bpf/`. */
export const PAYLOAD_FILES: readonly string[] = [
  "build.json",
  "bundle/boot.js",
  "bundle/main.js",
  "bundle/capture_worker.js",
  "libbpf.so",
  "bpf/manifest.json",
  "systemd/shrike.service",
];
