"""Thin Faust shells around the pure stages: they decode, call, encode and send; they decide nothing about money."""
