/** Commands do and print the same on an image and on a directory in a mount. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { butterlock, keyFile, mustButterlock } from '../support/command-line.js';
import { MountedVolume } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

/** `@` stands for what is worked on; the input, if any, is behind ` < `. Words have no spaces. */
const PLAIN = `
mkdir @ /d -p /e/f/g
mkdir @ /d
mkdir @ -p /d
mkdir @ /no/no
mkdir @ /
write @ /d/file < hello
write @ /d/file --append < world
write @ /d/file --offset 5 < W
write @ /d < x
write @ /no/x < x
cat @ /d/file /d/file
cat @ /none /d/file
cat @ /d
ln @ -s ../e /d/link
ln @ -s /e /d/absolute
ln @ -s /../../e/f /d/up
ln @ /d/file /d/hard
ln @ /d /x
ln @ /d/file /d/hard
ln @ -s x /d/hard
ls @ /d
ls @ d/absolute
ls @ /d/absolute/
ls @ /d/up
ls @ ../..
ls @ /d/link/f/../../d
ls @ -d /d
ls @ /d/none
ls @ /d/file/x
tree @
readlink @ /d/link /d/up
readlink @ /d/file
mkdir @ /m
write @ /m/a < a
cp @ /m/a /m/b
mv @ /m/a /m/b /e
ls @ /e
mv -n @ /e/a /e/b
mv --exchange @ /e/a /e/f
cat @ /e/f
cp -r @ /e /copy
ls -R @ /copy
cp @ /e /x
cp @ /d/file /d/hard
cp -r @ /copy /copy/in
cp --reflink=never @ /d/file /copied
cat @ /copied
mv @ / /a
mv @ /copy /copy/g
rmdir @ /
rm -r @ /
rm @ /copy
rm -r @ /copy /e
rm -f @ /none
rm @ /none
rmdir @ /m
rmdir @ /d
rmdir @ /d/file
rmdir @ /d/link
rm @ /d/link
truncate -s 1M @ /d/t
fallocate -o 64k -l 64k @ /d/t
fallocate --punch-hole -o 64k -l 4k @ /d/t
fallocate -z -n -o 2M -l 64k @ /d/t
fallocate -l 8k @ /d/new
fallocate -l 8k @ /d
chmod @ 0640 /d/t
chown @ 7:8 /d/t
chown -h @ 9:9 /d/absolute
chmod @ 644 /none
touch -d @981173106.123456789 @ /d/t /d/touched /d
touch -c @ /none
touch @ /none/x
stat --json --sha256 @ /d/t /d/touched
xattr set @ /d/t user.note text
xattr get @ /d/t user.note
xattr list --json @ /d/t
xattr remove @ /d/t user.note
xattr get @ /d/t user.note
xattr set @ /d/t bad.note x
mkdir @ hex:2f62ff
ls @
rmdir @ hex:2f62ff
rm @ hex:
subvolume create @ /home
subvolume create @ /home
subvolume create @ /
write @ /home/file < 1
subvolume snapshot -r @ /home /d
subvolume snapshot @ /d /x
subvolume snapshot @ /home/file /x
subvolume snapshot @ / /d/whole
subvolume list @
subvolume show @ /none
write @ /d/home/file < 2
rm @ /d/home/file
subvolume delete @ /d
subvolume delete @ /none
subvolume delete @ /
subvolume delete @ /d/file
stat @ /d/whole/home --json
ls -R @
rmdir @ /d/whole/home
subvolume set-default @ 999
subvolume set-default @ /d
subvolume set-default @ /home
subvolume delete @ /home
subvolume set-default @ 5
subvolume delete @ /home /d/home /d/whole
subvolume list @
mv @ /d/t /home
put @ src/index.ts /d
put -r @ src/cli /cli
get -r @ /d OUT
get -r @ /none OUT
enable-encryption @
ls --subvolume @
`;

/** What differs by nature: times, generations, and the links of directories, which btrfs does not count on disk. */
function withoutDifferences(text: string): string {
  return text
    .replaceAll(/("type": "dir",[^\n]*?)"nlink": \d+/g, '$1')
    .replaceAll(/"(?:mtime|atime|ctime|btime|created)_ns": \d+/g, '')
    .replaceAll(/\bgen(?:eration"?:)? \d+/g, '');
}

interface Outcome {
  readonly status: number | null;
  readonly text: string;
  /** Whether anything was complained of. */
  readonly complains: boolean;
}

async function outcomeOf(line: string, place: string, more: readonly string[] = []): Promise<Outcome> {
  const [call = '', input] = line.split(' < ');
  const out = temporaryPath('-out');
  const words = call.split(' ').map((word) => (word === '@' ? place : word === 'OUT' ? out : word));
  const { status, text, stderr } = await butterlock([...words, ...more], input === undefined ? {} : { input });
  assert.match(stderr, /^(?:butterlock: [^\n]+\n)*$/, line);
  return { status, text: withoutDifferences(text.replaceAll(place, '@')), complains: stderr !== '' };
}

async function newImage(): Promise<string> {
  const image = temporaryPath('.img');
  await mustButterlock(['create', image, '--size', '512M']);
  return image;
}

process.umask(0o022);

test('every command works on a mount as on an image', requireAbility('fuse', 'btrfs-progs'), async () => {
  const image = await newImage();
  const volume = new MountedVolume({ size: 512 });
  for (const line of PLAIN.trim().split('\n')) {
    assert.deepEqual(await outcomeOf(line, volume.path), await outcomeOf(line, image), line);
  }
  const listing = async (place: string): Promise<string> =>
    withoutDifferences(await mustButterlock(['ls', '-R', '--json', '--sha256', place])).replaceAll(/"ino": \d+/g, '');
  assert.equal(await listing(volume.path), await listing(image));
  volume.finish();
});

const WITH_KEY = `
mkdir @ /plain /secret /other
encrypt @ /secret --padding 16
encrypt @ /other --contents adiantum
encrypt @ /secret
encrypt @ /none
write @ /secret/name < contents
encrypt @ /plain/../secret
mkdir @ /secret/directory
write @ /secret/directory/below < more
ln @ -s target /secret/link
cp @ /secret/name /secret/copy
cp @ /secret/name /plain/copy
ln @ /secret/name /secret/hard
mv @ /plain/copy /secret
mv @ /secret/name /plain
subvolume create @ /secret/sub
write @ /secret/sub/file < in
subvolume snapshot @ / /secret/snapshot
ls -R @
cat @ /secret/snapshot/secret/name
`;

const WITHOUT_KEY = `
ls -R @
ls -R --json --sha256 @
tree @
cat @ /secret/name
cat @ /secret/none
write @ /secret/new < x
mkdir @ /secret/new
policy @ /secret
policy @ /plain --json
`;

test(
  'so they do in encrypted directories, with the key and without',
  requireAbility('fuse', 'btrfs-progs'),
  async () => {
    const image = await newImage();
    const volume = new MountedVolume({ size: 512 });
    const key = keyFile(Uint8Array.from({ length: 64 }, (_value, index) => index));
    await mustButterlock(['key', 'add', volume.path, key]);
    const withKey = ['--key-file', key];
    for (const line of WITH_KEY.trim().split('\n')) {
      assert.deepEqual(await outcomeOf(line, volume.path, withKey), await outcomeOf(line, image, withKey), line);
    }
    // From here on both are the same volume, so that nonces, and with them names without the key, are equal.
    volume.unmount();
    fs.copyFileSync(volume.image, image);
    volume.mount();
    await mustButterlock(['key', 'add', volume.path, key]);
    for (const line of ['ls -R --json --sha256 @', 'policy @ /secret/name', 'policy --json @ /secret/link']) {
      assert.deepEqual(await outcomeOf(line, volume.path, withKey), await outcomeOf(line, image, withKey), line);
    }
    await mustButterlock(['key', 'remove', volume.path, key]);
    for (const line of WITHOUT_KEY.trim().split('\n')) {
      assert.deepEqual(await outcomeOf(line, volume.path), await outcomeOf(line, image), line);
    }
    const names = (await mustButterlock(['ls', volume.path, '/secret'])).trim().split('\n');
    for (const name of names) {
      for (const line of [
        `policy --json @ /secret/${name}`,
        `stat --json @ /secret/${name}`,
        `get @ /secret/${name} OUT`,
      ]) {
        assert.deepEqual(await outcomeOf(line, volume.path), await outcomeOf(line, image), line);
      }
    }
    volume.finish();
  },
);

test(
  'what a command has done on a mount is durable when it returns',
  requireAbility('fuse', 'btrfs-progs'),
  async () => {
    const volume = new MountedVolume({ size: 512 });
    const bytes = Buffer.alloc(3_000_000, 'durable ');
    await mustButterlock(['write', volume.path, '/file'], { input: bytes });
    await mustButterlock(['subvolume', 'create', volume.path, '/sub']);
    await mustButterlock(['touch', '-d', '@5', volume.path, '/sub']);
    volume.kill();
    volume.mount();
    assert.ok(fs.readFileSync(volume.at('file')).equals(bytes));
    assert.equal(fs.statSync(volume.at('sub')).mtimeMs, 5000);
    volume.finish();
  },
);

test('copies on a mount share their data, unless they must not', requireAbility('fuse', 'btrfs-progs'), async () => {
  const volume = new MountedVolume({ size: 512 });
  const usedBytes = async (): Promise<number> => {
    const { usage } = JSON.parse(await mustButterlock(['info', '--json', volume.path]));
    return usage.find(({ type }: { type: string }) => type === 'data').used;
  };
  const bytes = Buffer.alloc(20_000_000, 'shared ');
  await mustButterlock(['write', volume.path, '/file'], { input: bytes });
  const once = await usedBytes();
  await mustButterlock(['cp', volume.path, '/file', '/shared']);
  assert.equal(await usedBytes(), once);
  await mustButterlock(['cp', '--reflink=never', volume.path, '/file', '/copied']);
  assert.equal(await usedBytes(), 2 * once);
  const { status, stderr } = await butterlock(['cp', '--reflink=always', volume.path, '/file', '/promised']);
  assert.deepEqual([status, /use auto/.test(stderr)], [1, true]);
  for (const name of ['shared', 'copied']) assert.ok(fs.readFileSync(volume.at(name)).equals(bytes), name);
  volume.finish();
});
