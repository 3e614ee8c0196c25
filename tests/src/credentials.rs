//! What servers ask of who connects, and what answers them: JWTs with their seeds, and certificates of an own authority.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, SanType};
use serde_json::{Value, json};

/// An operator with one account and one user in it, who may do everything.
#[derive(Debug)]
pub struct Operator {
    /// The configuration of a server that trusts the operator.
    pub config: String,
    /// The user's token.
    pub jwt: String,
    /// The seed that goes with it.
    pub seed: String,
}

impl Operator {
    /// Makes new keys for everybody.
    pub fn new() -> Self {
        let (operator, account, user) = (
            KeyPair::new_operator(),
            KeyPair::new_account(),
            KeyPair::new_user(),
        );
        let of_operator = jwt(
            &operator,
            &operator,
            json!({ "type": "operator", "version": 2 }),
        );
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1,
            "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "wildcards": true,
        });
        let claims = json!({ "type": "account", "version": 2, "limits": limits });
        let of_account = jwt(&operator, &account, claims);
        let claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        Self {
            config: format!(
                "operator: {of_operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account} }}",
                account.public_key()
            ),
            jwt: jwt(&account, &user, claims),
            seed: user.seed().expect("a new key has its seed"),
        }
    }

    /// A `.creds` file of the user's token with a seed, its own or another one.
    pub fn creds(&self, seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n",
            self.jwt
        )
    }
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}

/// A token in which `issuer` says something of `subject`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: Value) -> String {
    let claims = json!({
        "jti": "1", "iat": 1_700_000_000, "name": "test",
        "iss": issuer.public_key(), "sub": subject.public_key(), "nats": nats,
    });
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = issuer.sign(signed.as_bytes());
    let signature = signature.expect("an issuer's key can sign");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// An authority, and what it has signed, all in PEM.
#[derive(Debug)]
pub struct Authority {
    /// Its own certificate.
    pub ca: String,
    /// The certificate and the key of a server on 127.0.0.1.
    pub server: (String, String),
    /// The certificate and the key of a client.
    pub client: (String, String),
}

impl Authority {
    /// Makes new keys, and signs them.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key());
        let issuer = issuer.expect("an authority can sign itself");
        let sign = |address: Option<[u8; 4]>| {
            let params = CertificateParams::new(["client".to_owned()]);
            let mut params = params.expect("a name that certificates take");
            params
                .subject_alt_names
                .extend(address.map(|ip| SanType::IpAddress(ip.into())));
            let key = key();
            let certificate = params.signed_by(&key, &issuer);
            let certificate = certificate.expect("an authority can sign");
            (certificate.pem(), key.serialize_pem())
        };
        Self {
            ca: issuer.pem(),
            server: sign(Some([127, 0, 0, 1])),
            client: sign(None),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn key() -> rcgen::KeyPair {
    rcgen::KeyPair::generate().expect("a key can be made")
}
