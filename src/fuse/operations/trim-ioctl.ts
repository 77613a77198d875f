/** The ioctl of fstrim(8). */
import { statSync } from 'node:fs';
import { FsError } from '../../bytes/index.js';
import { trimFreeSpace } from '../../transaction/index.js';
import { CAPABILITY } from '../caller.js';
import { FSTRIM_RANGE } from '../protocol/trim.js';
import type { Ioctl, IoctlCall } from './ioctl-call.js';

export const trim: Ioctl = (call) => {
  const { server, input } = call;
  assertMayTrim(call);
  if (input.length < FSTRIM_RANGE.SIZE) throw new FsError('EINVAL', `a range has ${FSTRIM_RANGE.SIZE} bytes`);
  const field = (at: number): number => Number(input.readBigUInt64LE(at));
  const { start, len, minlen } = FSTRIM_RANGE;
  server.commit();
  const given = trimFreeSpace(server.filesystem.transaction, {
    start: field(start),
    length: field(len),
    minLength: field(minlen),
  });
  const output = Buffer.from(input);
  output.writeBigUInt64LE(BigInt(given), len);
  return output;
};

/** Whose image file it is may make holes in it without a mount, too. @throws FsError EPERM */
function assertMayTrim({ server, caller }: IoctlCall): void {
  if (caller.isCapable(CAPABILITY.SYS_ADMIN)) return;
  const { name } = server.filesystem.transaction.volume.device;
  if (!caller.isMountOwner || !statSync(name).isFile()) throw new FsError('EPERM', 'trimming is for administrators');
}
