/** The memory that the owner of a volume shares with the thread that reads ahead for it. */

/** Stretches of the device that can be held or wanted at a time. */
const PLACES = 4;
/** Bytes of the longest stretch. */
export const PLACE_SIZE = 1024 * 1024;

/** Words of {@link ReadAheadMemory.control}. */
export const CONTROL = { ticket: 0, isStopped: 1, states: 2 } as const;

/** Of a place. The thread takes it from `wanted` to `running` and on; from all others it is the owner's. */
export const STATE = { free: 0, wanted: 1, running: 2, ready: 3, failed: 4 } as const;

export interface Place {
  readonly bytes: Uint8Array;
  /** A checksum for each sector, end to end. */
  readonly digests: Uint8Array;
  /** What is wanted: its number, from where on the device, how many bytes. */
  readonly task: Float64Array;
}

export interface ReadAheadMemory {
  readonly control: Int32Array;
  readonly places: readonly Place[];
  /** `csum_type` of the superblock. */
  readonly checksumType: number;
  readonly sectorsize: number;
  /** Of the device. */
  readonly fd: number;
}

export function shareMemory(
  checksum: { readonly type: number; readonly size: number },
  sectorsize: number,
  fd: number,
): ReadAheadMemory {
  const control = new Int32Array(new SharedArrayBuffer(4 * (CONTROL.states + PLACES)));
  const places = Array.from({ length: PLACES }, () => ({
    bytes: new Uint8Array(new SharedArrayBuffer(PLACE_SIZE)),
    digests: new Uint8Array(new SharedArrayBuffer((PLACE_SIZE / sectorsize) * checksum.size)),
    task: new Float64Array(new SharedArrayBuffer(3 * 8)),
  }));
  return { control, places, checksumType: checksum.type, sectorsize, fd };
}
