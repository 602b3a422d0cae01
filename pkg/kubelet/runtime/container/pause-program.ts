/**
 * The first process of a pod whose containers share their processes: it waits, and what is orphaned in the pod goes without leaving a trace, as it ignores the
 * ends of children. A program of its own, as one of the machine would need the machine's libraries in the pod. Here in machine code; the assembly stands beside.
 * Upstream counterpart: the pause container. Source: ELF-64 object file format; sigaction(2), pause(2), ppoll(2).
 */
import { Buffer } from 'node:buffer';

const loadAddress = 0x400000n;
const headerBytes = 0x78;

interface Code {
  /** `e_machine`. */
  readonly machine: number;
  readonly bytes: Buffer;
}

/** `struct sigaction` of the kernel: the handler SIG_IGN, no flags, no restorer, no mask. */
const ignore = Buffer.alloc(32);
ignore[0] = 1;

function x64(): Code {
  const code = Buffer.from(
    [
      'b80d000000', // mov eax, 13 (rt_sigaction)
      'bf11000000', // mov edi, 17 (SIGCHLD)
      '488d3516000000', // lea rsi, [rip + 22]: what follows the code
      '31d2', // xor edx, edx
      '41ba08000000', // mov r10d, 8 (size of a mask)
      '0f05', // syscall
      'b822000000', // wait: mov eax, 34 (pause)
      '0f05', // syscall
      'ebf7', // jmp wait
      '0f1f00', // nop
    ].join(''),
    'hex',
  );
  return { machine: 62, bytes: Buffer.concat([code, ignore]) };
}

function arm64(): Code {
  const register = (number: number, value: number): number => 0xd2800000 + value * 32 + number;
  const call = 0xd4000001;
  const words = [
    register(8, 134), // mov x8, #134 (rt_sigaction)
    register(0, 17), // mov x0, #17 (SIGCHLD)
    0x10000000 + 14 * 32 + 1, // adr x1, 14 words on: what follows the code (its two low bits are 0)
    register(2, 0), // mov x2, #0
    register(3, 8), // mov x3, #8 (size of a mask)
    call, // svc #0
    register(0, 0), // wait: mov x0, #0
    register(1, 0), // mov x1, #0
    register(2, 0), // mov x2, #0
    register(3, 0), // mov x3, #0
    register(4, 0), // mov x4, #0
    register(8, 73), // mov x8, #73 (ppoll)
    call, // svc #0
    0x17fffff9, // b wait (7 words back)
    0xd503201f, // nop
    0xd503201f, // nop
  ];
  const code = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) code.writeUInt32LE(word, index * 4);
  return { machine: 183, bytes: Buffer.concat([code, ignore]) };
}

/** The program for Node's name of a processor; undefined for one that it is not there for. */
export function pauseProgram(architecture: string): Buffer | undefined {
  if (architecture === 'x64') return program(x64());
  return architecture === 'arm64' ? program(arm64()) : undefined;
}

function program({ machine, bytes }: Code): Buffer {
  const header = Buffer.alloc(headerBytes);
  Buffer.from('7f454c46020101', 'hex').copy(header);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(loadAddress + BigInt(headerBytes), 24);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  // One segment: all of the file, to be read and run.
  header.writeUInt32LE(1, 64);
  header.writeUInt32LE(5, 68);
  header.writeBigUInt64LE(loadAddress, 80);
  header.writeBigUInt64LE(loadAddress, 88);
  const size = BigInt(headerBytes + bytes.length);
  header.writeBigUInt64LE(size, 96);
  header.writeBigUInt64LE(size, 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, bytes]);
}
