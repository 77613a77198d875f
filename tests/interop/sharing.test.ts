/**
 * Encrypted extents are shared as plain ones are: snapshots and reflinks cost metadata only, an
 * overwrite costs what it writes, and no block of ciphertext ever comes twice.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { type ContextLayout, createVolume, type OpenVolume } from '../../src/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { auditEncryption } from '../support/encryption-audit.js';
import { TEST_KEY } from '../support/new-filesystem.js';
import { RawVolume } from '../support/raw-volume.js';
import { temporaryPath } from '../support/temporary.js';

const MIB = 1024 ** 2;
const SECTOR = 4096;
const FILE_SIZE = 64 * MIB;
/** A few blocks of 16 KiB. */
const METADATA_MAX = MIB / 2;
const EXTENT_ITEM = 168;
const IS_DATA = 1n;

describe('space of encrypted files', requireAbility('btrfs-progs'), () => {
  for (const layout of ['item', 'trailing'] as const) {
    it(`is shared by snapshots and reflinks, ${layout}`, () => {
      const path = temporaryPath('.img');
      const volume = newEncryptedVolume(path, layout);
      const contents = randomBytes(FILE_SIZE);
      volume.fs.writeFileSync('/sub/secret/file', contents);
      volume.sync();
      const before = volume.info;

      volume.fs.reflinkSync('/sub/secret/file', '/sub/secret/clone');
      volume.fs.snapshotSync('/sub', '/snapshot');
      volume.sync();
      assert.equal(usedBytes(volume, 'data'), FILE_SIZE);
      const metadata = usedBytes(volume, 'metadata') - usedBytes({ info: before }, 'metadata');
      assert.ok(metadata > 0 && metadata <= METADATA_MAX, `${metadata} bytes of metadata`);
      assert.equal(volume.info.devices[0]?.allocatedBytes, before.devices[0]?.allocatedBytes);

      const files = ['/sub/secret/file', '/sub/secret/clone', '/snapshot/secret/file', '/snapshot/secret/clone'];
      files.forEach((file, i) => {
        const written = randomBytes(SECTOR);
        const offset = (i + 1) * 5 * MIB;
        assertOneNewExtent(volume, file, files, () => overwrite(volume, file, offset, written));
        const expected = Buffer.from(contents);
        written.copy(expected, offset);
        assert.equal(sha256(volume.fs.readFileSync(file)), sha256(expected), file);
        assert.equal(usedBytes(volume, 'data'), FILE_SIZE + (i + 1) * SECTOR);
      });
      volume.close();
      assertAllIsWell(path, layout);
    });

    it(`never holds the same ciphertext twice, ${layout}`, () => {
      const path = temporaryPath('.img');
      const volume = newEncryptedVolume(path, layout);
      const blocks = new CiphertextBlocks(path);
      const equalBlocks = Buffer.alloc(2 * MIB, 0xa5);
      const collect = (expected: number): void => {
        volume.sync();
        assert.equal(blocks.collect(), expected / SECTOR, 'blocks written since the last look');
      };
      const write = (file: string): void => {
        volume.fs.writeFileSync(file, equalBlocks);
        collect(equalBlocks.length);
      };

      write('/sub/secret/one');
      write('/sub/secret/two');
      volume.fs.copyFileSync('/sub/secret/one', '/sub/secret/copy');
      collect(equalBlocks.length);
      volume.fs.reflinkSync('/sub/secret/one', '/sub/secret/clone');
      volume.fs.snapshotSync('/sub', '/snapshot');
      collect(0);
      for (const file of ['/sub/secret/one', '/sub/secret/clone', '/snapshot/secret/one']) {
        write(file);
        write(file);
        for (const offset of [0, SECTOR, 0]) {
          overwrite(volume, file, offset, equalBlocks.subarray(0, SECTOR));
          collect(SECTOR);
        }
      }
      volume.close();
      assertAllIsWell(path, layout);
    });
  }
});

/** A volume with an encrypted directory in a subvolume of its own: `/sub/secret`. */
function newEncryptedVolume(path: string, layout: ContextLayout): OpenVolume {
  const volume = createVolume(path, { size: 512 * MIB, extentContext: layout, keys: [TEST_KEY] });
  const [keyIdentifier] = volume.keyring.identifiers();
  assert.ok(keyIdentifier);
  volume.fs.createSubvolumeSync('/sub');
  volume.fs.mkdirSync('/sub/secret');
  volume.fs.setPolicySync('/sub/secret', { keyIdentifier });
  return volume;
}

function overwrite(volume: OpenVolume, file: string, offset: number, bytes: Uint8Array): void {
  const fd = volume.fs.openSync(file, 'r+');
  volume.fs.writeSync(fd, bytes, 0, bytes.length, offset);
  volume.fs.closeSync(fd);
  volume.sync();
}

function usedBytes({ info }: Pick<OpenVolume, 'info'>, type: string): number {
  return info.usage.filter((usage) => usage.type === type).reduce((sum, { used }) => sum + used, 0);
}

/** Nonces of extents on disk, by their address. */
function noncesOf(volume: OpenVolume, files: readonly string[]): Map<number, string> {
  const nonces = new Map<number, string>();
  for (const { diskBytenr, nonce } of files.flatMap((file) => volume.fs.extentsSync(file))) {
    assert.ok(nonce, 'every extent of an encrypted file has a nonce');
    nonces.set(diskBytenr, Buffer.from(nonce).toString('hex'));
  }
  return nonces;
}

/** Fails unless `change` gives `file` one extent of one sector, with a nonce that no other has. */
function assertOneNewExtent(volume: OpenVolume, file: string, files: readonly string[], change: () => void): void {
  const before = noncesOf(volume, files);
  change();
  const added = volume.fs.extentsSync(file).filter(({ diskBytenr }) => !before.has(diskBytenr));
  assert.deepEqual(
    added.map(({ diskNumBytes, length, isEncrypted }) => ({ diskNumBytes, length, isEncrypted })),
    [{ diskNumBytes: SECTOR, length: SECTOR, isEncrypted: true }],
  );
  const nonces = noncesOf(volume, files);
  assert.equal(nonces.size, before.size + 1);
  assert.equal(new Set(nonces.values()).size, nonces.size, 'no nonce is used twice');
}

/** Every block of ciphertext that was ever on disk, as the raw image shows it at each look. */
class CiphertextBlocks {
  private readonly path: string;
  private readonly extents = new Set<string>();
  private readonly digests = new Set<string>();

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Reads the extents that are new since the last look. Fails if a block of them was seen before.
   *
   * @returns how many blocks
   */
  collect(): number {
    const volume = new RawVolume(this.path);
    let count = 0;
    try {
      for (const { key, logical, length } of newExtents(volume, this.extents)) {
        this.extents.add(key);
        const bytes = volume.readLogical(logical, length);
        for (let at = 0; at < length; at += SECTOR) {
          const digest = sha256(bytes.subarray(at, at + SECTOR));
          assert.ok(!this.digests.has(digest), `the ciphertext at ${logical + at} was there before`);
          this.digests.add(digest);
          count += 1;
        }
      }
    } finally {
      volume.close();
    }
    return count;
  }
}

/** Data extents of the extent tree, by address and generation, for addresses are used again. */
function* newExtents(
  volume: RawVolume,
  known: ReadonlySet<string>,
): Generator<{ key: string; logical: number; length: number }> {
  for (const { bytes, items } of volume.allBlocks()) {
    for (const { objectid, type, offset, at } of items) {
      if (type !== EXTENT_ITEM || (bytes.readBigUInt64LE(at + 16) & IS_DATA) === 0n) continue;
      const key = `${objectid}@${bytes.readBigUInt64LE(at + 8)}`;
      if (!known.has(key)) yield { key, logical: Number(objectid), length: Number(offset) };
    }
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function assertAllIsWell(path: string, layout: ContextLayout): void {
  assert.deepEqual(auditEncryption(path, layout), []);
  assertSound(copyWithoutMarks(path));
}
