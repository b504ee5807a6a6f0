//! How a live device and its world look now, for the panel.

use hil_sim::flash_view::FlashView;
use serde::Serialize;

/// How everything looks. It changes whenever something in it does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Picture {
    /// The device's name in its world, as steps call it.
    pub name: String,
    /// The product.
    pub product: ProductPicture,
    /// `off`, `starting` or `running`.
    pub power: &'static str,
    /// The device's state by Edgent's name, as its log says it; empty without power.
    pub state: String,
    /// The error that it reports to the app, 0 for none.
    pub last_error: u16,
    /// How often it has started.
    pub boots: u32,
    /// Its station address.
    pub mac: String,
    /// The name of its access point, and whether that is on the air.
    pub access_point: AccessPointPicture,
    /// Whether its button is held down at the panel.
    pub button_down: bool,
    /// Whether the power goes in the middle of the next operation on its flash.
    pub cut_armed: bool,
    /// The slots of its flash.
    pub flash: Vec<SlotPicture>,
    /// The networks of the host's interfaces.
    pub taps: Vec<TapPicture>,
    /// The names of the world's routers and clouds, as steps name them.
    pub routers: Vec<String>,
    /// The same of its clouds.
    pub clouds: Vec<String>,
}

/// What is tested.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ProductPicture {
    /// Its template's id.
    pub template_id: String,
    /// Its template's name.
    pub name: String,
    /// Its firmware's version.
    pub version: String,
    /// Its vendor, which begins the name of its access point.
    pub vendor: String,
}

/// A device's own access point.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AccessPointPicture {
    /// Its name.
    pub ssid: String,
    /// Whether it is on the air.
    pub is_up: bool,
    /// The addresses of its stations.
    pub stations: Vec<String>,
}

/// A slot of a device's flash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SlotPicture {
    /// What it holds, in a word or a few.
    pub state: String,
    /// What its record says; secrets are starred.
    pub fields: Vec<(&'static str, String)>,
}

/// An interface of the host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TapPicture {
    /// Its name.
    pub interface: String,
    /// Whose network it is in: the device's, or a router's.
    pub network_of: String,
    /// Whether that network has it now.
    pub is_joined: bool,
}

impl SlotPicture {
    /// The slots of a flash.
    pub(super) fn all(view: FlashView) -> Vec<Self> {
        view.slots.into_iter().map(|slot| Self { state: slot.state, fields: slot.fields }).collect()
    }
}
