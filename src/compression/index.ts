export { decompress } from './decompress.js';
