"""Thin Faust shells around the pure stages: decode, call, encode, send; no decision about money."""
