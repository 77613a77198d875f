/** Making a volume in an image file, on a block device, or on any device. */
import { existsSync, rmSync, statSync } from 'node:fs';
import { FsError, isZero } from '../bytes/index.js';
import { type BlockDevice, FileDevice, GatheringDevice } from '../device/index.js';
import { checkNewVolume, makeVolume, type NewVolumeOptions, probeFilesystem } from '../mkfs/index.js';
import { OpenVolume, type OpenVolumeOptions } from './open-volume.js';

export interface CreateVolumeOptions extends NewVolumeOptions, Omit<OpenVolumeOptions, 'readOnly' | 'subvolume'> {
  /** Bytes of a new image file; a file that is there already becomes this large. Not for devices. */
  readonly size?: number;
  /** Overwrite what is there. Without it, a known filesystem and a file with contents are refused. */
  readonly force?: boolean;
}

/** So much of an existing file must be empty to be overwritten unasked. */
const LOOKED_AT = 1024 * 1024;

/**
 * Makes a volume and opens it.
 *
 * @param device - or the path of an image file, made if need be, or of a block device
 * @throws FsError EEXIST if something is there and `force` is not set, EINVAL for a size or option
 * that cannot be, EBUSY, and so on from the host; a file that was made is removed again
 */
export function createVolume(device: BlockDevice | string, options: CreateVolumeOptions = {}): OpenVolume {
  if (typeof device !== 'string') {
    if (options.force !== true) refuseContents(device);
    makeVolume(device, options);
    return OpenVolume.on(device, options);
  }
  const isNew = !existsSync(device);
  try {
    return createAt(device, isNew, options);
  } catch (error) {
    if (isNew) rmSync(device, { force: true });
    throw error;
  }
}

function createAt(path: string, isNew: boolean, options: CreateVolumeOptions): OpenVolume {
  if (!isNew && options.force !== true) refuseContentsAt(path);
  if (options.size !== undefined) checkNewVolume(options.size, options);
  const device = openTarget(path, isNew, options.size);
  try {
    makeVolume(device, options);
  } catch (error) {
    device.close();
    throw error;
  }
  return OpenVolume.on(new GatheringDevice(device), options);
}

function openTarget(path: string, isNew: boolean, size: number | undefined): FileDevice {
  if (size === undefined) {
    if (isNew) throw new FsError('EINVAL', `${path}: a new image needs a size`, { path });
    return FileDevice.open(path, { readOnly: false });
  }
  if (!isNew && statSync(path).isBlockDevice())
    throw new FsError('EINVAL', `${path}: a device has the size that it has; give none (--size)`, { path });
  return FileDevice.create(path, size);
}

function refuseContentsAt(path: string): void {
  const device = FileDevice.open(path, { readOnly: true });
  try {
    refuseContents(device);
    if (statSync(path).isFile()) refuseData(device);
  } finally {
    device.close();
  }
}

function refuseContents(device: BlockDevice): void {
  const found = probeFilesystem(device);
  if (found === undefined) return;
  throw new FsError('EEXIST', `${device.name}: it holds ${found}, overwritten only with force (--force)`, {
    path: device.name,
  });
}

/** A file that is no known filesystem may be somebody's film. */
function refuseData(device: BlockDevice): void {
  const start = new Uint8Array(Math.min(LOOKED_AT, device.size));
  device.read(0, start);
  if (isZero(start)) return;
  throw new FsError('EEXIST', `${device.name}: a file with contents, overwritten only with force (--force)`, {
    path: device.name,
  });
}
