//! The attack lab, pressed card by card in Chromium: protected, and with the control switched off.

mod instance;
mod keyboard;
mod page;
mod protected;
mod switched_off;
