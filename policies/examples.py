"""What the rules' examples have in common."""

__all__ = [
    "CENTURY",
    "DEPLOYMENT",
    "ENDED",
    "ENTRANCE",
    "GATEWAY",
    "HTTP",
    "LASTING",
    "MESH",
    "READER",
    "RELEASE",
]

MESH = """
Kind: mesh
Name: mesh
TLS: {Incoming: {TLSMinVersion: TLSv1_2}, Outgoing: {TLSMinVersion: TLSv1_2}}
HTTP:
  Incoming:
    RequestNormalization:
      MergeSlashes: true
      PathWithEscapedSlashesAction: REJECT_REQUEST
      HeadersWithUnderscoresAction: REJECT_REQUEST
"""

HTTP = """
Kind: service-defaults
Name: details
Protocol: http
"""

READER = """
Kind: service-intentions
Name: details
Sources: [{Name: productpage, Permissions: [{Action: allow, HTTP: {PathPrefix: /details/, Methods: [GET]}}]}]
"""

GATEWAY = """
Kind: api-gateway
Name: gateway
Listeners:
  - Name: https
    Hostname: shop.example.com
    Port: 8443
    Protocol: http
    TLS: {MinVersion: TLSv1_2, Certificates: [{Kind: file-system-certificate, Name: gateway}]}
"""

ENTRANCE = """
Kind: service-intentions
Name: productpage
Sources: [{Name: gateway, Action: allow}]
---
Kind: http-route
Name: shop
Hostnames: [shop.example.com]
Parents: [{Kind: api-gateway, Name: gateway, SectionName: https}]
Rules: [{Matches: [{Path: {Match: exact, Value: /}}], Services: [{Name: productpage}]}]
---
Kind: service-defaults
Name: productpage
MaxInboundConnections: 1000
"""

RELEASE = """
resources:
  consul:
    type: kubernetes:helm.sh/v3:Release
    properties:
      chart: consul
      version: 2.0.3
      values:
        connectInject: {aclBindingRuleSelector: "'serviceaccount.namespace==shop'"}
        global:
          acls: {manageSystemACLs: true}
          tls: {enabled: true, verify: true}
          gossipEncryption: {autoGenerate: true}
"""

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: details, namespace: shop}
spec:
  selector: {matchLabels: {app: details}}
  template:
    metadata: {labels: {app: details}}
    spec:
      containers:
        - name: details
          image: registry.example.com/details:1.20.3
          securityContext: {runAsNonRoot: true, readOnlyRootFilesystem: true}
          resources: {limits: {cpu: 500m, memory: 128Mi}}
"""

ENDED = """
Kind: inline-certificate
Name: gateway
Certificate: |
  -----BEGIN CERTIFICATE-----
  MIIBIzCByaADAgECAgEBMAoGCCqGSM49BAMCMBsxGTAXBgNVBAMMEHNob3AuZXhh
  bXBsZS5jb20wHhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAbMRkwFwYD
  VQQDDBBzaG9wLmV4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
  rQraWj7r+BRRtYw1FKpA0rxuA1/a1w8NyeCvk5f9SgYT6Q0CNNLYSiTOMazaPKvM
  OIy76NC/TCsy8HB79G8gRDAKBggqhkjOPQQDAgNJADBGAiEArkfvfVIBRmNztvpb
  RpRr5wTvk/wsVODzepPmp+nUvoUCIQCgWthLCRi/6uyUiuw5CGxOE2YYRLG2Wc52
  N2FWe8ioFg==
  -----END CERTIFICATE-----
"""

CENTURY = """
Kind: inline-certificate
Name: gateway
Certificate: |
  -----BEGIN CERTIFICATE-----
  MIIBJTCBy6ADAgECAgEBMAoGCCqGSM49BAMCMBsxGTAXBgNVBAMMEHNob3AuZXhh
  bXBsZS5jb20wIBcNMjAwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMBsxGTAX
  BgNVBAMMEHNob3AuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
  AATJwai6KMl6en9ohldTKoH3UNU/E5CdVl0/0+8FCwcgUs5IVmPfINwnuQuAg3LJ
  VFpBl/Ybi7YtQi1cgbuQdo9bMAoGCCqGSM49BAMCA0kAMEYCIQCYsRdZWBlmTDIv
  31gRSWdT+nZWiADGJhFkMmeTXfGmRAIhAM7t4DG5z3SzU9cKboMOWz9D8iJvLCUw
  KMpQQlRH9giz
  -----END CERTIFICATE-----
"""

LASTING = """
Kind: inline-certificate
Name: gateway
Certificate: |
  -----BEGIN CERTIFICATE-----
  MIIBJDCBy6ADAgECAgEBMAoGCCqGSM49BAMCMBsxGTAXBgNVBAMMEHNob3AuZXhh
  bXBsZS5jb20wIBcNMjAwMTAxMDAwMDAwWhgPOTk5OTEyMzEwMDAwMDBaMBsxGTAX
  BgNVBAMMEHNob3AuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
  AAT8itglfxCtbaNIWRS8IAFYbLFjYA+u5LJPUkMN0IhHYHTMLOasuVhfKKzEE+Xj
  cDY//bWaWomLeFsCVld49jBXMAoGCCqGSM49BAMCA0gAMEUCIQDFMmNgwXcslChw
  DUSpK4ue3cV15+D9QAnE38ikV+wYlgIgSn4yDyNrXZeKhHu8ZotV5zp6WMUzklc1
  7Mhbv+pPbIQ=
  -----END CERTIFICATE-----
"""
"""Ends in 9999; `ENDED` did so in 2021, and `CENTURY` will in 2126."""
