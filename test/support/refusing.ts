// Programs to which the kernel refuses some system calls, as sandboxes and emulators do.
import { constants } from 'node:os';

/** Their numbers, on x64 and on arm64. */
const NUMBERS = {
  futex_waitv: [449, 449],
  get_robust_list: [274, 100],
  getrlimit: [302, 261], // prlimit64(2)
  membarrier: [324, 283],
  memfd_create: [319, 279],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
  set_robust_list: [273, 99],
} as const;

export type SystemCall = keyof typeof NUMBERS;

const PROGRAM = `
import ctypes, os, struct, sys
errno = int(sys.argv[1])
numbers = [int(number) for number in sys.argv[2].split(',')]
step = lambda code, yes, no, value: struct.pack('HBBI', code, yes, no, value)
steps = [step(0x20, 0, 0, 0)]
for i, number in enumerate(numbers):
    steps.append(step(0x15, len(numbers) - i, 0, number))
steps += [step(0x06, 0, 0, 0x7FFF0000), step(0x06, 0, 0, 0x00050000 | errno)]
code = ctypes.create_string_buffer(b''.join(steps))
class Filter(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('steps', ctypes.c_void_p)]
prctl = ctypes.CDLL(None).prctl
program = Filter(len(steps), ctypes.addressof(code))
assert prctl(38, 1, 0, 0, 0) == 0
assert prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[3], sys.argv[3:])
`;

/** Arguments of python3 that run \`program\` where these calls fail with that errno. */
export function refusing(
  calls: readonly SystemCall[],
  errno: 'EPERM' | 'ENOSYS',
  program: readonly string[],
): string[] {
  const column = process.arch === 'arm64' ? 1 : 0;
  const numbers = calls.map((call) => NUMBERS[call][column]);
  return ['-c', PROGRAM, String(constants.errno[errno]), numbers.join(','), ...program];
}
