//! Ed25519 signatures (RFC 8032) of certificates, with keys in the files that `openssl` writes.

use std::path::Path;

use ed25519_dalek::{
    Signer, VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey},
};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A signature with the public key that checks it. A certificate cannot prove whose key that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// `ed25519`.
    pub algorithm: String,
    /// The public key: 32 bytes in hexadecimal.
    pub public_key: String,
    /// The signature: 64 bytes in hexadecimal.
    pub value: String,
}

const ALGORITHM: &str = "ed25519";

/// Most bytes of a file with a key.
const MOST: u64 = 64 << 10;

/// A key that signs.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A key that checks signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl SigningKey {
    /// Reads a private key: PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// If the file cannot be read or holds another kind of key.
    pub fn load(path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::Key {
            path: path.into(),
            what: "Ed25519 private key (`openssl genpkey -algorithm ed25519 -out KEY`)",
            reason,
        };
        let text = text(path)?.map_err(&refuse)?;
        Self::from_pem(&text).map_err(refuse)
    }

    fn from_pem(text: &str) -> Result<Self, String> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(text);
        key.map(Self).map_err(|error| cause(text, "PRIVATE KEY", &error))
    }

    /// The public key for its signatures.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs bytes.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Signature {
        Signature {
            algorithm: ALGORITHM.into(),
            public_key: self.public_key().to_hex(),
            value: to_hex(&self.0.sign(bytes).to_bytes()),
        }
    }
}

impl PublicKey {
    /// Reads a public key in PEM, as `openssl pkey -in KEY -pubout` writes it.
    ///
    /// # Errors
    /// If the file cannot be read or holds another kind of key.
    pub fn load(path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::Key {
            path: path.into(),
            what: "Ed25519 public key (`openssl pkey -in KEY -pubout -out FILE`)",
            reason,
        };
        let text = text(path)?.map_err(&refuse)?;
        let key = VerifyingKey::from_public_key_pem(&text);
        key.map(Self).map_err(|error| refuse(cause(&text, "PUBLIC KEY", &error)))
    }

    /// Its 32 bytes in hexadecimal.
    pub fn to_hex(&self) -> String {
        to_hex(self.0.as_bytes())
    }
}

impl Signature {
    /// Checks that the key it names has signed these bytes.
    ///
    /// The error is a reason for users.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), String> {
        if self.algorithm != ALGORITHM {
            return Err(format!("its algorithm `{}` is not known here; `{ALGORITHM}` is", self.algorithm));
        }
        let key = from_hex(&self.public_key).ok_or("its public key is not 32 bytes in hexadecimal")?;
        let key = VerifyingKey::from_bytes(&key).map_err(|e| format!("its public key is not valid ({e})"))?;
        let value = from_hex(&self.value).ok_or("it is not 64 bytes in hexadecimal")?;
        // The strict check refuses keys and signatures that are not unique for the same bytes.
        let signature = ed25519_dalek::Signature::from_bytes(&value);
        key.verify_strict(bytes, &signature).map_err(|_| "it does not fit: something was changed after signing".into())
    }
}

/// The text of a file with a key. The inner error is a reason for users.
fn text(path: &Path) -> Result<Result<String, String>> {
    let bytes = unlearn_files::read(path, MOST).map_err(|source| Error::Io { path: path.into(), source })?;
    Ok(match bytes.as_slice() {
        [] => Err("it is empty".into()),
        // The tag of a sequence: every key in DER begins with it.
        [0x30, ..] => Err(
            "it is in the binary form DER, and PEM is read; `openssl pkey -inform DER -in KEY -out KEY.pem` writes it"
                .into(),
        ),
        _ => unlearn_files::text(bytes).map_err(|error| error.to_string()),
    })
}

/// Why a text is not the `wanted` key in PEM, in words for users.
fn cause(text: &str, wanted: &str, error: &dyn std::fmt::Display) -> String {
    const BEGIN: &str = "-----BEGIN ";
    let text = text.trim_start();
    let Some((before, rest)) = text.split_once(BEGIN) else {
        return "it is not in PEM, which begins with `-----BEGIN`".into();
    };
    match rest.split("-----").next().unwrap_or_default() {
        "ENCRYPTED PRIVATE KEY" => {
            "it is encrypted, and no password is asked for; `openssl pkey -in KEY -out PLAIN` writes it without one"
                .into()
        }
        "OPENSSH PRIVATE KEY" => "it is a key of SSH, in a format of its own; make another key for certificates".into(),
        "CERTIFICATE" => "it is a certificate, not a key".into(),
        label if label != wanted => format!("it is a {}", label.to_lowercase()),
        _ if !before.is_empty() => "text stands before `-----BEGIN`; delete everything before that line".into(),
        _ if error.to_string().contains("lgorithm") || error.to_string().contains("OID") => {
            "it is a key of another algorithm".into()
        }
        _ => format!("it is damaged ({error})"),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The key pair of RFC 8410, section 10.
    pub(crate) const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn keys_of_the_rfc_are_read_and_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        let [private, public] = ["private.pem", "public.pem"].map(|name| folder.path().join(name));
        std::fs::write(&private, PRIVATE).unwrap();
        std::fs::write(&public, PUBLIC).unwrap();
        assert_eq!(SigningKey::load(&private).unwrap().public_key(), PublicKey::load(&public).unwrap());
        let message = SigningKey::load(&public).err().unwrap().to_string();
        assert!(message.contains("public.pem") && message.contains("openssl genpkey"), "{message}");
        let message = PublicKey::load(&private).err().unwrap().to_string();
        assert!(message.contains("private.pem") && message.contains("-pubout"), "{message}");
    }

    #[test]
    fn a_key_in_another_form_is_named_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END {label}-----\n");
        // The algorithm of an X25519 key differs by its last byte.
        let other = PRIVATE.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu");
        for (content, cause) in [
            (Vec::new(), "it is empty"),
            (vec![0x30, 0x2e, 0x02, 0x01, 0xff], "openssl pkey -inform DER"),
            (b"a password\n".to_vec(), "it is not in PEM"),
            (pem("ENCRYPTED PRIVATE KEY").into_bytes(), "it is encrypted"),
            (pem("OPENSSH PRIVATE KEY").into_bytes(), "it is a key of SSH"),
            (pem("RSA PRIVATE KEY").into_bytes(), "it is a rsa private key"),
            (pem("PUBLIC KEY").into_bytes(), "it is a public key"),
            (other.into_bytes(), "it is a key of another algorithm"),
            (PRIVATE.replace("MC4CAQ", "MC4C").into_bytes(), "it is damaged"),
        ] {
            std::fs::write(&path, &content).unwrap();
            let message = SigningKey::load(&path).err().unwrap_or_else(|| panic!("{cause}")).to_string();
            assert!(message.contains(cause), "{message}");
            assert!(message.contains("openssl genpkey -algorithm ed25519 -out KEY"), "{message}");
        }
        std::fs::write(&path, format!("ED25519 Private-Key:\npriv:\n    2f\n{PRIVATE}")).unwrap();
        SigningKey::load(&path).expect("text before the key is passed over");
    }

    #[test]
    fn a_signature_fits_what_was_signed_and_nothing_else() {
        let signature = SigningKey::from_pem(PRIVATE).unwrap().sign(b"message");
        assert_eq!(signature.check(b"message"), Ok(()));
        assert!(signature.check(b"Message").unwrap_err().contains("does not fit"));
        let damaged = |edit: &dyn Fn(&mut Signature)| {
            let mut signature = signature.clone();
            edit(&mut signature);
            signature.check(b"message").unwrap_err()
        };
        assert!(
            damaged(&|s| s.value.replace_range(0..1, if s.value.starts_with('0') { "1" } else { "0" })).contains("fit")
        );
        assert!(damaged(&|s| s.value.truncate(10)).contains("64 bytes"));
        assert!(damaged(&|s| s.public_key = "é".repeat(32)).contains("32 bytes"));
        assert!(damaged(&|s| s.algorithm = "rsa".into()).contains("`rsa`"));
    }
}
