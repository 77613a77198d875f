/** The audit of contexts passes what sound kernels wrote, and finds what the posted series loses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditEncryption } from '../support/encryption-audit.js';
import { imagePath, MANIFEST_NAMES } from '../support/images.js';

for (const name of MANIFEST_NAMES.filter((each) => each !== 'v6damaged')) {
  test(`${name} has every context, mark and nonce in its place`, () => {
    assert.deepEqual(auditEncryption(imagePath(name)), []);
  });
}

test('v6damaged lacks contexts', () => {
  const findings = auditEncryption(imagePath('v6damaged'));
  assert.ok(findings.some((finding) => finding.endsWith('no context')));
});
