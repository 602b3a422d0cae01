/** A stand-in for images of which people only run commands: without one it ends at once, as their shell does without input. */
import type { Program } from '#pkg/kubelet/runtime/inprocess/program.ts';

export const program: Program = { main: () => 0 };
