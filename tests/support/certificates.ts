import 'reflect-metadata'
import {
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate,
} from '@peculiar/x509'
import { webcrypto } from 'node:crypto'

/** A certificate and its private key, in PEM. */
export interface Credentials {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  /** Its own certificate, in PEM. */
  readonly cert: string
  /** Credentials that it signed, for these names and addresses. */
  issue(names?: readonly { readonly type: 'dns' | 'ip'; readonly value: string }[]): Promise<Credentials>
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000
const localhost = [
  { type: 'ip', value: '127.0.0.1' },
  { type: 'dns', value: 'localhost' },
] as const

const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>

const validity = () => ({ notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) })

const pemOf = async (certificate: X509Certificate, { privateKey }: webcrypto.CryptoKeyPair): Promise<Credentials> => ({
  cert: certificate.toString('pem'),
  key: PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY'),
})

/** A certificate authority of the test's own. */
export async function certificateAuthority(name: string): Promise<Authority> {
  const keys = await newKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, 0, true)],
    ...validity(),
  })
  return {
    cert: certificate.toString('pem'),
    issue: async (names = localhost) => {
      const own = await newKeys()
      const issued = await X509CertificateGenerator.create({
        subject: 'CN=hindcast test',
        issuer: certificate.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [new SubjectAlternativeNameExtension([...names])],
        ...validity(),
      })
      return pemOf(issued, own)
    },
  }
}
