/** Volumes for benchmarks: an image file on the host with an encrypted directory, `/secret`. */
import { createVolume, type OpenVolume, openVolume } from '../src/index.js';

const KEY = Uint8Array.from({ length: 64 }, (_, i) => i);

/** @param size - bytes of the image */
export function createEncrypted(image: string, size: number): OpenVolume {
  const volume = createVolume(image, { size, force: true, keys: [KEY], extentContext: 'item' });
  volume.fs.mkdirSync('/secret');
  const [keyIdentifier] = volume.keyring.identifiers();
  if (keyIdentifier === undefined) throw new Error('the key was not added');
  volume.fs.setPolicySync('/secret', { keyIdentifier });
  volume.sync();
  return volume;
}

export function openEncrypted(image: string, readOnly: boolean): OpenVolume {
  return openVolume(image, { readOnly, keys: [KEY] });
}
