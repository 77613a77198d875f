/** Options as mount(8) and fstab have them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/cli/failure.js';
import { parseMountOptions } from '../../../src/cli/mount-options.js';
import { isHelperCall } from '../../../src/cli/system-mount.js';

test('options become what a mount asks for; later ones win', () => {
  assert.deepEqual(parseMountOptions(''), { atime: true, flags: [] });
  assert.deepEqual(parseMountOptions('ro,allow_other,noatime,commit=5,subvol=home,nosuid,nodev,noexec,log=/l'), {
    readOnly: true,
    allowOther: true,
    atime: false,
    commit: 5,
    subvolume: '/home',
    flags: ['nosuid', 'nodev', 'noexec'],
    log: '/l',
  });
  assert.deepEqual(parseMountOptions('ro,rw,nosuid,noexec,suid,noatime,relatime,subvol=/x,subvolid=256'), {
    readOnly: false,
    atime: true,
    subvolume: 256,
    flags: ['noexec'],
  });
  assert.equal(parseMountOptions('subvol=256').subvolume, '/256');
});

test('values hold commas behind a backslash or in quotes', () => {
  const { keyFile, log } = parseMountOptions('key-file=/a\\,b,key-file="/c,d e",key-file=/x\\\\y,log=/l=m');
  assert.deepEqual([keyFile, log], [['/a,b', '/c,d e', '/x\\y'], '/l=m']);
});

test('what is for mount(8) and systemd is passed over', () => {
  const words = 'defaults,auto,noauto,nofail,_netdev,user,nouser,user=me,users,x-systemd.automount,x-a=b,X-c,comment=d';
  assert.deepEqual(parseMountOptions(`${words},async,dev,suid,exec,,default_permissions`), { atime: true, flags: [] });
});

test('what is not known is refused, unless sloppily', () => {
  for (const option of [
    'bogus',
    'ro=1',
    'commit',
    'commit=x',
    'commit=-1',
    'subvolid=',
    'xfoo',
    'toString',
    'key-file',
  ])
    assert.throws(() => parseMountOptions(option), UsageError, option);
  assert.deepEqual(parseMountOptions('bogus,x', true), { atime: true, flags: [] });
  assert.throws(() => parseMountOptions('remount,ro', true), { code: 'EOPNOTSUPP' });
});

test('the call of the helper of fuse3 is told from commands', () => {
  assert.ok(isHelperCall(['/vault.img', '/mnt', '-o', 'rw']));
  assert.ok(!isHelperCall(['fallocate', '/vault.img', '-o', '5']));
  assert.ok(!isHelperCall(['mount', '/vault.img', '/mnt']));
});
