export { codecServer } from './codec-server.ts'
export { loadKeys, type EncryptionKeys } from './keys.ts'
export { payloadCodec } from './payload-codec.ts'
